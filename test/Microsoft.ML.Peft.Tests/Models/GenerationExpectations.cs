using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Models;

/// <summary><c>expected-greedy.json</c> and <c>expected-generation.json</c>: what a real decoder says, each prompt alone and all of an option set in one batch.</summary>
internal sealed class GenerationExpectations
{
    private readonly DecoderModel _model;
    private readonly Head _head;
    private readonly TextTokenizer _tokenizer;
    private readonly GenerationOptions _folder;

    private GenerationExpectations(string folder, PretrainedModel model)
    {
        (_model, _head) = ((DecoderModel)model, model.CreateLanguageModelHead());
        (_tokenizer, _folder) = (TextTokenizer.Load(folder), GenerationConfigFile.Load(folder, model.Config));
    }

    public static void Check(string folder, PretrainedModel model, JsonObject expected)
    {
        var expectations = new GenerationExpectations(folder, model);
        JsonObject[] items = [.. expected["items"]!.AsArray().Select(item => item!.AsObject())];
        foreach (JsonObject item in items)
            expectations.CheckPrompt(item);
        foreach (JsonObject[] set in items.GroupBy(OptionsOf).Select(set => set.ToArray()))
        {
            foreach (JsonObject item in set)
                expectations.CheckTexts([item]);
            expectations.CheckTexts(set);
        }
        if (expected["mean_nll"] is { } likelihood)
            expectations.CheckLikelihood(likelihood.AsObject());
    }

    /// <summary>Nats a token of a text that an expectation describes.</summary>
    public static double MeanLikelihood(string folder, PretrainedModel model, JsonObject text) =>
        new GenerationExpectations(folder, model).MeanLikelihood(text);

    /// <summary>The logits after a prompt against the highest ones of an expectation.</summary>
    public static void CheckLogits(string folder, PretrainedModel model, int[] ids, JsonArray best, double tolerance, string what) =>
        new GenerationExpectations(folder, model).CheckLogits(ids, best, tolerance, what);

    private static string OptionsOf(JsonObject item) =>
        (item["options"] ?? new JsonObject { ["max_new_tokens"] = item["max_new_tokens"]!.DeepClone() }).ToJsonString();

    private void CheckPrompt(JsonObject item)
    {
        string prompt = item["prompt"]!.GetValue<string>();
        CollectionAssert.AreEqual(Ids(item["ids"]!), _tokenizer.Encode(prompt).Ids, prompt);
        if (item["last_logits_top5"]?.AsArray() is { } best)
            CheckLogits(Ids(item["ids"]!), best, 5e-3, prompt);
    }

    private void CheckLogits(int[] ids, JsonArray best, double tolerance, string what)
    {
        using var session = new DecoderSession(_model, _head, null);
        using Tensor logits = session.Read(tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0), null);
        foreach (JsonNode? pair in best)
            Assert.AreEqual(pair![1]!.GetValue<float>(), logits[0, pair[0]!.GetValue<int>()].item<float>(), tolerance, $"{what}: logit of {pair[0]}");
    }

    private void CheckTexts(JsonObject[] items)
    {
        GenerationSettings settings = Settings(JsonDocument.Parse(OptionsOf(items[0])).RootElement);
        using var session = new DecoderSession(_model, _head, null);
        int[][] prompts = [.. items.Select(item => Ids(item["ids"]!))];
        var found = TextGenerator.Generate(session, prompts, settings, _tokenizer);
        foreach (var (sequences, item) in found.Zip(items))
            CheckRow(sequences, item, settings, $"{item["prompt"]} {OptionsOf(item)}, in a batch of {items.Length}");
    }

    private void CheckRow(GeneratedSequence[] found, JsonObject item, GenerationSettings settings, string what)
    {
        // Several sequences are lists of lists with padding at their ends.
        bool several = item["generated"]![0] is JsonArray;
        JsonNode[] ids = several ? [.. item["generated"]!.AsArray()!] : [item["generated"]!];
        JsonNode[] texts = several ? [.. item["text"]!.AsArray()!] : [item["text"]!];
        Assert.HasCount(ids.Length, found, what);
        for (int i = 0; i < ids.Length; i++)
        {
            int[] expected = Ids(ids[i]);
            CollectionAssert.AreEqual(expected[..found[i].Ids.Length], found[i].Ids, $"{what}: sequence {i}");
            Assert.IsTrue(expected[found[i].Ids.Length..].All(id => id == 0), $"{what}: sequence {i} is too short");
            Assert.AreEqual(texts[i].GetValue<string>(), TextGenerator.Text(found[i], _tokenizer, settings), $"{what}: text {i}");
            if (item["scores"] is { } scores)
                Assert.AreEqual(scores[i]!.GetValue<float>(), found[i].Score!.Value, 1e-4 * Math.Max(1, Math.Abs(found[i].Score!.Value)), $"{what}: score {i}");
        }
    }

    private void CheckLikelihood(JsonObject expected) => Assert.AreEqual(
        expected["value"]!.GetValue<double>(), MeanLikelihood(expected), expected["tolerance"]!.GetValue<double>(), "mean negative log-likelihood");

    private double MeanLikelihood(JsonObject text)
    {
        string file = Path.Combine(SharedData.Data, text["file"]!.GetValue<string>());
        int window = text["window"]!.GetValue<int>(), count = text["tokens"]!.GetValue<int>(), skip = text["skip_tokens"]!.GetValue<int>();
        int[] ids = _tokenizer.Encode(File.ReadAllText(file), addSpecialTokens: false).Ids[skip..(skip + count)];
        return ids.Chunk(window).Sum(Likelihood) / ids.Chunk(window).Sum(chunk => chunk.Length - 1);
    }

    private double Likelihood(int[] ids)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor tokens = tensor(ids.Select(id => (long)id).ToArray());
        using var batch = new Batch { Ids = tokens.unsqueeze(0), Examples = [] };
        var context = new ForwardContext { Adapter = null };
        Tensor logits = _head.Forward(_model.Forward(batch, RowSelection.All, context), batch, context)[0];
        return nn.functional.cross_entropy(logits.narrow(0, 0, ids.Length - 1), tokens.narrow(0, 1, ids.Length - 1), reduction: nn.Reduction.Sum).item<float>();
    }

    private GenerationSettings Settings(JsonElement options) =>
        GenerationSettings.Resolve(GenerationConfigFile.Read(HfConfig.Parse(options.GetRawText(), "options"), "options"), _folder);

    private static int[] Ids(JsonNode ids) => [.. ids.AsArray().Select(id => id!.GetValue<int>())];
}
