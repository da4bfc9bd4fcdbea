using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What GLM's pretraining makes of given texts and blanks, and where blanks of given lengths and places stand.</summary>
internal static class BlankInfillingParity
{
    public const string Expectations = @"^\$\.(rows\[\d+\]\.sep|sample_spans\[\d+\]\.spans)$";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        JsonNode ids = parity.Json["special_ids"]!;
        var marks = new BlankTokens
        {
            Mask = Id("MASK"), SentenceMask = Id("sMASK"), DocumentMask = Id("gMASK"), Start = Id("sop"), End = Id("eop"), Cls = Id("ENC"), EndOfText = Id("eos"), Sep = Id("sep"), Pad = Id("eos"),
        };
        JsonArray rows = parity.Json["rows"]!.AsArray();
        for (int i = 0; i < rows.Count; i++)
            Check(parity, i, rows[i]!, Row(rows[i]!, [.. parity.Input($"in.{i}.text").cpu().data<long>().Select(id => (int)id)], marks));
        foreach (JsonNode? sample in parity.Json["sample_spans"]!.AsArray())
            CheckPlaces(parity, sample!);
        parity.Check("out.block_length_probabilities", tensor([.. BlankLengths.Weights], dtype: ScalarType.Float64));

        int Id(string role) => ids[role]!.GetValue<int>();
    }

    private static BlankedText Row(JsonNode row, int[] text, BlankTokens marks)
    {
        JsonNode options = row["options"]!;
        string task = row["task"]!.GetValue<string>();
        int mask = !Option("task_mask", false) ? marks.Mask : task switch
        {
            "bert" => marks.Mask,
            "gap_sentence" => marks.SentenceMask,
            "generation" or "generation-tail" => marks.DocumentMask,
            _ => throw new InvalidDataException($"The task '{task}' is not known."),
        };
        if (row["generation_length"] is { } length)
            return BlankedText.Tail(text, length.GetValue<int>(), mask, marks);
        Blank[] blanks = [.. row["spans"]!.AsArray().Select(span => new Blank(span![0]!.GetValue<int>(), span[1]!.GetValue<int>()))];
        if (!Option("shuffle_blocks", true))
            blanks = [.. blanks.OrderBy(blank => blank.Start)];
        return BlankedText.Of(text, blanks, mask, marks, Option("block_position_encoding", true));

        bool Option(string name, bool usual) => options[name]?.GetValue<bool>() ?? usual;
    }

    private static void Check(ParityCase parity, int row, JsonNode json, BlankedText found)
    {
        parity.Texts.Close(json["sep"]!, [found.Separator], (_, _) => 0, $"row {row}: sep");
        parity.Check($"out.{row}.tokens", Long(found.Tokens));
        parity.Check($"out.{row}.targets", Long(found.Targets));
        parity.Check($"out.{row}.loss_mask", Long(found.LossMask));
        parity.Check($"out.{row}.position_ids", stack([Long(found.Positions), Long(found.BlockPositions)]));
    }

    private static void CheckPlaces(ParityCase parity, JsonNode sample)
    {
        Blank[] blanks = BlankPlaces.At(Numbers("lengths"), sample["offset"]!.GetValue<int>(), Numbers("places"));
        parity.Texts.Same(sample["spans"]!, blanks.SelectMany(blank => new[] { blank.Start, blank.End }), "spans");

        int[] Numbers(string name) => [.. sample[name]!.AsArray().Select(number => number!.GetValue<int>())];
    }

    private static Tensor Long(int[] values) => tensor(values, dtype: ScalarType.Int64);
}
