using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Data;

/// <summary>
/// Rows padded to their longest, as tensors on the model's device. B: rows, S: tokens, P: positions that the head reads.
/// </summary>
internal sealed class Batch : IDisposable
{
    /// <summary>Token ids [B, S], int64.</summary>
    public required Tensor Ids { get; init; }

    /// <summary>True where a token is real [B, S]; null when no row is padded.</summary>
    public Tensor? Mask { get; init; }

    /// <summary>No row is padded but at its end: a causal model's real tokens never see padding.</summary>
    public bool PadsEnd { get; init; }

    /// <summary>Segments [B, S], int64; null where all are 0.</summary>
    public Tensor? TypeIds { get; init; }

    /// <summary>What the decoder of an encoder-decoder reads, where it is given [B, T], int64; null where the labels say it.</summary>
    public Tensor? DecoderIds { get; init; }

    /// <summary>The number of its text within a packed row, for each token [B, S], int64; null where each row is one text.</summary>
    public Tensor? Texts { get; init; }

    /// <summary>Positions within the texts of packed rows [B, S], int64; null where each row is one text.</summary>
    public Tensor? TextPositions { get; init; }

    /// <summary>Positions that the head reads [B, P], int64; null where the head decides alone.</summary>
    public Tensor? Positions { get; init; }

    /// <summary>Label indices, int64: [B], or [B, P] with -100 where there is none; null when not training.</summary>
    public Tensor? Labels { get; init; }

    /// <summary>The rows, in the tensors' order.</summary>
    public required IReadOnlyList<Example> Examples { get; init; }

    public int RealTokens => Examples.Sum(e => e.Length);

    /// <summary>Pads rows to the longest of them.</summary>
    /// <param name="examples">The rows.</param>
    /// <param name="padId">The id that fills.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="withLabels">Whether <see cref="Example.Labels"/> become a tensor.</param>
    public static Batch Collate(IReadOnlyList<Example> examples, int padId, Device device, bool withLabels)
    {
        int rows = examples.Count, length = Math.Max(1, examples.Max(e => e.Length)), positions = examples.Max(e => e.Positions.Length);
        bool packed = examples.Any(e => e.Starts.Length > 1);
        bool padded = examples.Any(e => e.Length != length), typed = examples.Any(e => Array.Exists(e.TypeIds, t => t != 0));
        using var scope = NewDisposeScope();
        return new Batch
        {
            Examples = examples,
            Ids = Fill<long>(examples, length, padId, device, (e, row) => { for (int i = 0; i < e.Length; i++) row[i] = e.Ids[i]; }),
            PadsEnd = true,
            Mask = padded ? Fill<bool>(examples, length, false, device, (e, row) => row[..e.Length].Fill(true)) : null,
            TypeIds = typed ? Fill<long>(examples, length, 0, device, (e, row) => { for (int i = 0; i < e.Length; i++) row[i] = e.TypeIds[i]; }) : null,
            Texts = packed ? Fill<long>(examples, length, 0, device, (e, row) => NumberTexts(e, row, (text, _) => text)) : null,
            TextPositions = packed ? Fill<long>(examples, length, 0, device, (e, row) => NumberTexts(e, row, (_, place) => place)) : null,
            Positions = positions > 0 ? Fill<long>(examples, positions, 0, device, (e, row) => { for (int i = 0; i < e.Positions.Length; i++) row[i] = e.Positions[i]; }) : null,
            Labels = withLabels ? LabelTensor(examples, positions, device) : null,
        };
    }

    public void Dispose()
    {
        Ids.Dispose();
        DecoderIds?.Dispose();
        Mask?.Dispose();
        TypeIds?.Dispose();
        Texts?.Dispose();
        TextPositions?.Dispose();
        Positions?.Dispose();
        Labels?.Dispose();
    }

    private static Tensor LabelTensor(IReadOnlyList<Example> examples, int positions, Device device)
    {
        if (positions == 0)
            return tensor(examples.Select(e => (long)e.Labels[0]).ToArray(), ScalarType.Int64, device).DetachFromDisposeScope();
        return Fill<long>(examples, positions, IgnoredLabel, device, (e, row) => { for (int i = 0; i < e.Labels.Length; i++) row[i] = e.Labels[i]; });
    }

    private static void NumberTexts(Example example, Span<long> row, Func<int, int, long> number)
    {
        int[] starts = example.Starts.Length == 0 ? [0] : example.Starts;
        for (int text = 0; text < starts.Length; text++)
        {
            int end = text + 1 < starts.Length ? starts[text + 1] : example.Length;
            for (int i = starts[text]; i < end; i++)
                row[i] = number(text, i - starts[text]);
        }
    }

    /// <summary>The label that no loss counts, as in PyTorch's cross-entropy.</summary>
    public const long IgnoredLabel = -100;

    private delegate void RowWriter<T>(Example example, Span<T> row);

    private static Tensor Fill<T>(IReadOnlyList<Example> examples, int width, T filler, Device device, RowWriter<T> write)
        where T : unmanaged
    {
        var values = new T[examples.Count * width];
        values.AsSpan().Fill(filler);
        for (int i = 0; i < examples.Count; i++)
            write(examples[i], values.AsSpan(i * width, width));
        return from_array(values, device: device).view(examples.Count, width).DetachFromDisposeScope();
    }
}
