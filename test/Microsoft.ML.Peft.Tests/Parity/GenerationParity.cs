using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What a decoder goes on to say: every <c>out.greedy</c>, <c>out.beamN</c> and <c>out.repX</c> of a case.</summary>
internal static partial class GenerationParity
{
    public static void Run(ParityCase parity, LoadedModel loaded)
    {
        if (loaded.Model is not DecoderModel decoder)
            return;
        using var scope = NewDisposeScope();
        foreach (string name in parity.TensorNames)
        {
            if (Way().Match(name) is { Success: true } way)
                Check(parity, loaded, decoder, name, way);
        }
    }

    private static void Check(ParityCase parity, LoadedModel loaded, DecoderModel decoder, string name, Match way)
    {
        int[][] expected = Rows(parity, name);
        var (prompts, mask) = Prompts(parity, expected);
        using var owned = mask;
        int start = prompts[0].Length, count = expected[0].Length - start;
        var options = new GenerationOptions
        {
            // The cases suppress the end token: all rows have the same length.
            MinNewTokens = count,
            MaxNewTokens = count,
            NumBeams = way.Groups["beams"] is { Success: true } beams ? int.Parse(beams.Value, CultureInfo.InvariantCulture) : null,
            // The cases' "rep" bans repeated pairs as well: none of their rows has one, whatever its model.
            NoRepeatNgramSize = way.Groups["penalty"].Success ? 2 : null,
            RepetitionPenalty = way.Groups["penalty"] is { Success: true } penalty ? double.Parse(penalty.Value, CultureInfo.InvariantCulture) : null,
        };
        GenerationOptions folder = GenerationConfigFile.Load(Path.Combine(parity.Folder, "model"), decoder.Config);
        using var decoding = new DecoderSession(decoder, loaded.Head, ForwardContext.DefaultAdapter);
        using var session = new MaskedPrompts(decoding, mask);
        var found = TextGenerator.Generate(session, prompts, GenerationSettings.Resolve(options, folder));
        for (int row = 0; row < expected.Length; row++)
            CollectionAssert.AreEqual(expected[row][start..], found[row][0].Ids, $"{Path.GetFileName(parity.Folder)}: {name}, row {row}");
    }

    // A case without prompts, as an adapter's, begins with the first tokens of its input.
    private static (int[][] Prompts, Tensor? Mask) Prompts(ParityCase parity, int[][] expected)
    {
        if (parity.Has("in.prompt_ids"))
        {
            using Tensor mask = parity.Read("in.prompt_mask");
            return (Rows(parity, "in.prompt_ids"), mask.to(ScalarType.Bool));
        }
        int common = expected.Zip(Rows(parity, "in.input_ids"), (row, input) => row.Zip(input).TakeWhile(pair => pair.First == pair.Second).Count()).Min();
        return ([.. expected.Select(row => row[..common])], null);
    }

    private static int[][] Rows(ParityCase parity, string name)
    {
        using Tensor values = parity.Read(name);
        return [.. values.data<long>().Select(id => (int)id).Chunk((int)values.shape[1])];
    }

    [GeneratedRegex(@"^out\.(greedy|beam(?<beams>\d+)|rep(?<penalty>[\d.]+))$")]
    private static partial Regex Way();

    /// <summary>
    /// Hides padding from the model but not from the penalties: to transformers, what stands under a mask of 0 is part of a
    /// row's tokens. Rows of ours have no padding, so that they do not depend on the batch that they are in.
    /// </summary>
    private sealed class MaskedPrompts(IDecodingSession session, Tensor? mask) : IDecodingSession
    {
        public int Rows => session.Rows;

        public int MaxLength => session.MaxLength;

        public Tensor Read(Tensor ids, Tensor? _) => session.Read(ids, mask);

        public Tensor Next(long[] ids) => session.Next(ids);

        public void Keep(long[] rows) => session.Keep(rows);

        public void Dispose()
        {
        }
    }
}
