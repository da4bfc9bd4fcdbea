using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace RealModels.Tests.Expectations;

/// <summary><c>expected-greedy.json</c> and <c>expected-generation.json</c>: what a real decoder says, each prompt alone and all of an option set in one batch.</summary>
internal sealed class GenerationExpectations
{
    public const string Expectations = @"^\$\.(items\[\d+\]\.(ids|generated|text|scores|last_logits_top5)|mean_nll\.value)$";

    private readonly ExpectedJson _expected;
    private readonly TextModel _model;
    private readonly Head _head;
    private readonly TextTokenizer _tokenizer;
    private readonly GenerationOptions _folder;

    private GenerationExpectations(ExpectedJson expected, string folder, PretrainedModel model)
    {
        _expected = expected;
        (_model, _head) = (model.As<TextModel>(), model.As<ICausalLanguageModel>().CreateLanguageModelHead());
        (_tokenizer, _folder) = (TextTokenizer.Load(folder), GenerationConfigFile.Load(folder, model.Config));
    }

    public static void Check(ExpectedJson expected, ExpectationPlace at)
    {
        using PretrainedModel model = ModelExpectationTests.Load(at.Folder);
        var expectations = new GenerationExpectations(expected, at.Folder, model);
        JsonObject[] items = [.. expected.Root["items"]!.AsArray().Select(item => item!.AsObject())];
        foreach (JsonObject item in items)
            expectations.CheckPrompt(item);
        foreach (JsonObject[] set in items.GroupBy(OptionsOf).Select(set => set.ToArray()))
        {
            foreach (JsonObject item in set)
                expectations.CheckTexts([item]);
            expectations.CheckTexts(set);
        }
        if (expected.Root["mean_nll"] is { } likelihood)
            expectations.CheckLikelihood(likelihood.AsObject());
    }

    /// <summary>Nats a token of a text that an expectation describes.</summary>
    public static double MeanLikelihood(string folder, PretrainedModel model, JsonObject text) =>
        MeanLikelihood(model.As<TextModel>(), model.As<ICausalLanguageModel>().CreateLanguageModelHead(), TextTokenizer.Load(folder), text);

    /// <summary>The logits after a prompt against the highest ones of an expectation.</summary>
    public static void CheckLogits(ExpectedJson expected, string folder, PretrainedModel model, int[] ids, JsonArray best, double tolerance, string what) =>
        new GenerationExpectations(expected, folder, model).CheckLogits(ids, best, tolerance, what);

    private static string OptionsOf(JsonObject item) =>
        (item["options"] ?? new JsonObject { ["max_new_tokens"] = item["max_new_tokens"]!.DeepClone() }).ToJsonString();

    private void CheckPrompt(JsonObject item)
    {
        string prompt = item["prompt"]!.GetValue<string>();
        _expected.Same(item["ids"]!, _tokenizer.Encode(prompt).Ids, prompt);
        if (item["last_logits_top5"]?.AsArray() is { } best)
            CheckLogits(Ids(item["ids"]!), best, 5e-3, prompt);
    }

    private void CheckLogits(int[] ids, JsonArray best, double tolerance, string what)
    {
        using IDecodingSession session = _model.As<IContinuesTexts>().Open(_head, ForwardContext.Inference);
        using Tensor logits = session.Read(tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0), null);
        // Pairs of a token and its logit.
        double[] found = [.. best.Select(pair => pair![0]!.GetValue<int>()).SelectMany(id => new double[] { id, logits[0, id].item<float>() })];
        _expected.Close(best, found, (i, _) => i % 2 == 0 ? 0 : tolerance, $"{what}: tokens and their logits");
    }

    private void CheckTexts(JsonObject[] items)
    {
        GenerationSettings settings = Settings(JsonDocument.Parse(OptionsOf(items[0])).RootElement);
        using IDecodingSession session = _model.As<IContinuesTexts>().Open(_head, ForwardContext.Inference);
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
        Assert.HasCount(ids.Length, found, what);
        _expected.Same(item["generated"]!, ids.Zip(found).SelectMany(pair => Padded(pair.Second.Ids, pair.First.AsArray().Count)), $"{what}: ids");
        JsonNode?[] texts = [.. found.Select(sequence => (JsonNode)TextGenerator.Text(sequence, _tokenizer, settings))];
        _expected.Same(item["text"]!, several ? new JsonArray(texts) : texts[0], $"{what}: text");
        if (item["scores"] is { } scores)
            _expected.Close(scores, [.. found.Select(sequence => (double)sequence.Score!.Value)], (_, score) => 1e-4 * Math.Max(1, Math.Abs(score)), $"{what}: scores");
    }

    private static IEnumerable<int> Padded(int[] ids, int length) => ids.Concat(Enumerable.Repeat(0, Math.Max(0, length - ids.Length)));

    private void CheckLikelihood(JsonObject expected) => _expected.Close(
        expected["value"]!, [MeanLikelihood(_model, _head, _tokenizer, expected)], (_, _) => expected["tolerance"]!.GetValue<double>(), "mean negative log-likelihood");

    private static double MeanLikelihood(TextModel model, Head head, TextTokenizer tokenizer, JsonObject text)
    {
        string file = Path.Combine(SharedData.Data, text["file"]!.GetValue<string>());
        int window = text["window"]!.GetValue<int>(), count = text["tokens"]!.GetValue<int>(), skip = text["skip_tokens"]!.GetValue<int>();
        int[] ids = tokenizer.Encode(File.ReadAllText(file), addSpecialTokens: false).Ids[skip..(skip + count)];
        return ids.Chunk(window).Sum(chunk => Likelihood(model, head, chunk)) / ids.Chunk(window).Sum(chunk => chunk.Length - 1);
    }

    private static double Likelihood(TextModel model, Head head, int[] ids)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor tokens = tensor(ids.Select(id => (long)id).ToArray());
        using var batch = new Batch { Ids = tokens.unsqueeze(0), Examples = [] };
        Tensor logits = head.Forward(model.Forward(batch, PositionSelection.All, ForwardContext.Inference), batch, ForwardContext.Inference)[0];
        return nn.functional.cross_entropy(logits.narrow(0, 0, ids.Length - 1), tokens.narrow(0, 1, ids.Length - 1), reduction: nn.Reduction.Sum).item<float>();
    }

    private GenerationSettings Settings(JsonElement options) =>
        GenerationSettings.Resolve(GenerationConfigFile.Read(HfConfig.Parse(options.GetRawText(), "options"), "options"), _folder);

    private static int[] Ids(JsonNode ids) => [.. ids.AsArray().Select(id => id!.GetValue<int>())];
}
