using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Data;

/// <summary>
/// Rows as named tensors on the model's device, which it owns. B: rows, S: tokens, P: positions that the head reads. What a model
/// needs besides the usual ones goes by its name.
/// </summary>
internal sealed class Batch : IDisposable
{
    /// <summary>The label that no loss counts, as in PyTorch's cross-entropy.</summary>
    public const long IgnoredLabel = -100;

    private const string DecoderIdsName = "decoder_input_ids", TextsName = "texts", PixelsName = "pixel_values";

    private readonly Dictionary<string, Tensor> _tensors = new(StringComparer.Ordinal);

    /// <summary>A tensor by its name; null where there is none.</summary>
    public Tensor? this[string name]
    {
        get => _tensors.GetValueOrDefault(name);
        set
        {
            if (value is not null)
                _tensors.Add(name, value);
        }
    }

    /// <summary>Token ids [B, S], int64.</summary>
    /// <exception cref="InvalidOperationException">There are none.</exception>
    public Tensor Ids { get => Needed(Fields.Ids.TensorName); init => this[Fields.Ids.TensorName] = value; }

    /// <summary>True where a token is real [B, S]; null when no row is padded.</summary>
    public Tensor? Mask { get => this[Fields.Ids.MaskName!]; init => this[Fields.Ids.MaskName!] = value; }

    /// <summary>No row is padded but at its end: a causal model's real tokens never see padding.</summary>
    public bool PadsEnd { get; init; }

    /// <summary>Segments [B, S], int64; null where all are 0.</summary>
    public Tensor? TypeIds { get => this[Fields.TypeIds.TensorName]; init => this[Fields.TypeIds.TensorName] = value; }

    /// <summary>What the decoder of an encoder-decoder reads, where it is given [B, T], int64; null where the labels say it.</summary>
    public Tensor? DecoderIds { get => this[DecoderIdsName]; init => this[DecoderIdsName] = value; }

    /// <summary>The number of its text within a packed row, for each token [B, S], int64; null where each row is one text.</summary>
    public Tensor? Texts { get => this[TextsName]; init => this[TextsName] = value; }

    /// <summary>Positions that the rows give, or those within the texts of packed rows [B, S], int64; null where they are counted through.</summary>
    public Tensor? PositionIds { get => this[Fields.Positions.TensorName]; init => this[Fields.Positions.TensorName] = value; }

    /// <summary>Positions within the pieces that fill a row's blanks, 0 for its context [B, S], int64; null where rows are no such.</summary>
    public Tensor? BlockPositionIds { get => this[Fields.BlockPositions.TensorName]; init => this[Fields.BlockPositions.TensorName] = value; }

    /// <summary>How many of each row's tokens are the context that all see [B], int64; null where pieces are no part of rows.</summary>
    public Tensor? ContextLengths { get => this[Fields.ContextLength.TensorName]; init => this[Fields.ContextLength.TensorName] = value; }

    /// <summary>Where the context of each token's text ends, in rows that hold several texts with blanks [B, S], int64; null where rows are no such.</summary>
    public Tensor? ContextEnds { get => this[Fields.ContextEnds.TensorName]; init => this[Fields.ContextEnds.TensorName] = value; }

    /// <summary>Positions that the head reads [B, P], int64; null where the head decides alone.</summary>
    public Tensor? ReadPositions { get => this[Fields.ReadPositions.TensorName]; init => this[Fields.ReadPositions.TensorName] = value; }

    /// <summary>Positions of virtual tokens, which a tuner fills [B, V], int64; null where rows keep no place for any.</summary>
    public Tensor? VirtualPlaces { get => this[Fields.VirtualPlaces.TensorName]; init => this[Fields.VirtualPlaces.TensorName] = value; }

    /// <summary>
    /// What is learnt: label indices, int64, [B], or [B, P] with -100 where there is none; or numbers, float32, [B, numbers]. Null when
    /// not training.
    /// </summary>
    public Tensor? Labels { get => this[Fields.Labels.TensorName]; init => this[Fields.Labels.TensorName] = value; }

    /// <summary>Pictures [B, 3, H, W], float32; null where there are none.</summary>
    public Tensor? Pixels { get => this[PixelsName]; set => this[PixelsName] = value; }

    /// <summary>The rows, in the tensors' order.</summary>
    public required IReadOnlyList<Example> Examples { get; init; }

    /// <summary>Makes tensors of all fields that the rows have; a row of alternatives has as many rows in them, of which one label says which is right. Pictures are left as they are: to make pixels of them is a processor's work.</summary>
    /// <param name="examples">The rows.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="withLabels">Whether what is to be learnt becomes a tensor too.</param>
    /// <exception cref="InvalidOperationException">A row lacks what others have, in a field that every row must have.</exception>
    public static Batch Collate(IReadOnlyList<Example> examples, Device device, bool withLabels)
    {
        using var scope = NewDisposeScope();
        var batch = new Batch { Examples = examples, PadsEnd = true };
        IReadOnlyList<Example> rows = examples.Any(e => e.CountOf(Fields.Alternatives) > 0) ? [.. examples.SelectMany(Alternatives.Of)] : examples;
        foreach (Field field in FieldsOf(examples).Where(field => field.Collation != Collation.None && (withLabels || !field.IsLabel)))
        {
            batch[field.TensorName] = field.Collate(field.IsLabel ? examples : rows, device);
            if (field.MaskName is { } mask)
                batch[mask] = field.MaskOf(rows, device);
        }
        if (examples.Any(e => e.Starts.Length > 1))
        {
            batch[TextsName] = Number(examples, device, (text, _) => text);
            if (batch.PositionIds is null)
                batch[Fields.Positions.TensorName] = Number(examples, device, (_, place) => place);
        }
        foreach (Tensor made in batch._tensors.Values)
            made.DetachFromDisposeScope();
        return batch;
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors.Values)
            tensor.Dispose();
    }

    private static List<Field> FieldsOf(IReadOnlyList<Example> examples)
    {
        var fields = new List<Field>();
        foreach (Example example in examples)
        {
            foreach (var (field, _) in example.Entries)
            {
                if (!fields.Contains(field))
                    fields.Add(field);
            }
        }
        return fields;
    }

    private static Tensor Number(IReadOnlyList<Example> examples, Device device, Func<int, int, int> number) =>
        Fields.Ids.Collate([.. examples.Select(e => new Example { Ids = Number(e, number) })], device);

    private static int[] Number(Example example, Func<int, int, int> number)
    {
        int[] numbers = new int[example.Length], starts = example.Starts.Length == 0 ? [0] : example.Starts;
        for (int text = 0; text < starts.Length; text++)
        {
            int end = text + 1 < starts.Length ? starts[text + 1] : example.Length;
            for (int i = starts[text]; i < end; i++)
                numbers[i] = number(text, i - starts[text]);
        }
        return numbers;
    }

    private Tensor Needed(string name) => this[name] ?? throw new InvalidOperationException(
        $"The batch has no '{name}'; it has {(_tensors.Count == 0 ? "nothing" : string.Join(", ", _tensors.Keys))}.");
}
