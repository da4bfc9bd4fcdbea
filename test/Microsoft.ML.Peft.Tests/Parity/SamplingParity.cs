using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Generation.Processors;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What logits processors leave of given logits; each option goes the way that a folder's generation_config.json goes.</summary>
internal static class SamplingParity
{
    // Named by other options, and no step of their own.
    private static readonly string[] Companions = ["eos_token_id"];

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        JsonObject options = parity.Json["options"]!.AsObject();
        Tensor previous = parity.Input("in.previous_ids"), scores = parity.Input("in.logits");
        TokenSequence[] rows = [.. Enumerable.Range(0, (int)previous.shape[0]).Select(row =>
            new TokenSequence([.. previous[row].cpu().data<long>().Select(id => (int)id)]))];
        foreach (var (key, value) in options.Where(o => !Companions.Contains(o.Key)))
            scores = new LogitsProcessors(Settings(options, key, value!)).Apply(scores, rows);
        parity.Check("out.probabilities", scores.softmax(-1));
    }

    private static GenerationSettings Settings(JsonObject options, string key, JsonNode value)
    {
        var file = new JsonObject { ["do_sample"] = true, ["top_k"] = 0, ["max_length"] = 1000 };
        foreach (string companion in Companions.Where(options.ContainsKey))
            file[companion] = options[companion]!.DeepClone();
        file[key] = value.DeepClone();
        return GenerationSettings.Resolve(new(), GenerationConfigFile.Read(HfConfig.Parse(file.ToJsonString(), key), key));
    }
}
