using Microsoft.ML.Peft.Models;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What a model goes on to say: every <c>out.greedy</c>, <c>out.beamN</c> and <c>out.repX</c> of a case.</summary>
internal static partial class GenerationParity
{
    public static void Run(ParityCase parity, LoadedModel loaded)
    {
        using var scope = NewDisposeScope();
        foreach (string name in parity.TensorNames)
        {
            if (Way().Match(name) is { Success: true } way)
                Check(parity, loaded, name, way);
        }
    }

    private static void Check(ParityCase parity, LoadedModel loaded, string name, Match way)
    {
        var (prompts, mask) = Prompts(parity, loaded, name);
        // The cases suppress the end token: as many new tokens as the tensor holds.
        int count = (int)(parity.ShapeOf(name)[1] - prompts.shape[1]);
        var options = new GenerationOptions
        {
            MaxNewTokens = count,
            MinNewTokens = count,
            NumBeams = way.Groups["beams"] is { Success: true } beams ? int.Parse(beams.Value, CultureInfo.InvariantCulture) : null,
            LengthPenalty = Number(way.Groups["length"]),
            // The cases' "rep" bans repeated pairs as well: none of their rows has one, whatever its model.
            NoRepeatNgramSize = way.Groups["penalty"].Success ? 2 : null,
            RepetitionPenalty = Number(way.Groups["penalty"]),
        };
        GenerationOptions folder = GenerationConfigFile.Load(Path.Combine(parity.Folder, "model"), loaded.Model.Config);
        using IDecodingSession decoding = loaded.OpenSession();
        using var session = new MaskedPrompts(decoding, mask);
        int[][] rows = [.. prompts.cpu().data<long>().Select(id => (int)id).Chunk((int)prompts.shape[1])];
        var found = TextGenerator.Generate(session, rows, GenerationSettings.Resolve(options, folder));
        long[] ids = [.. rows.Zip(found).SelectMany(row => row.First.Concat(row.Second[0].Ids)).Select(id => (long)id)];
        Assert.AreEqual(parity.ShapeOf(name).Aggregate((a, b) => a * b), ids.Length, $"{parity.Name}: {name}, ids in all");
        parity.CheckExactly(name, tensor(ids, parity.ShapeOf(name)));
    }

    // A case without prompts, as an adapter's, begins with the first tokens of its input.
    private static (Tensor Prompts, Tensor? Mask) Prompts(ParityCase parity, LoadedModel loaded, string name)
    {
        if (loaded.StartId is { } start)
            return (full([parity.ShapeOf(name)[0], 1], start, ScalarType.Int64, TestDevice.Device), null);
        if (parity.Has("in.prompt_ids"))
            return (parity.Input("in.prompt_ids"), parity.Input("in.prompt_mask").to(ScalarType.Bool));
        Tensor input = parity.Input("in.input_ids");
        return (input.narrow(1, 0, parity.CommonColumns(name, input)).contiguous(), null);
    }

    private static double? Number(Group group) => group.Success ? double.Parse(group.Value, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex(@"^out\.(greedy|beam(?<beams>\d+)(_lp(?<length>-?[\d.]+))?|rep(?<penalty>[\d.]+))$")]
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
