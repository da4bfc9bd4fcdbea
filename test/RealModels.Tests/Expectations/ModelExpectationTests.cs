using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace RealModels.Tests.Expectations;

/// <summary>Real models against what the originals answer: one test for each <c>expected-*.json</c>.</summary>
[TestClass]
public sealed class ModelExpectationTests
{
    public static IEnumerable<object[]> Cases => CaseNames.Rows(CaseNames.OfModels);

    /// <summary>What serves a kind of file: the test, and the paths of the expectations.</summary>
    internal static IReadOnlyDictionary<string, ModelExpectation> Kinds { get; } = new Dictionary<string, ModelExpectation>
    {
        ["embeddings"] = new(CheckEmbeddings, @"^\$\.(items\[\d+\]\.ids|embeddings|cosine)$"),
        ["generation"] = new(GenerationExpectations.Check, GenerationExpectations.Expectations),
        ["quantized"] = new(QuantizedExpectations.Check, QuantizedExpectations.Expectations),
        ["training"] = new(TrainingExpectations.Check, TrainingExpectations.Expectations),
    };

    public static string Name(System.Reflection.MethodInfo method, object[] data) => (string)data[0];

    [TestMethod, TestCategory("Models")]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void Expectation(string name)
    {
        SharedData.RequireFolder(SharedData.Models);
        ModelExpectation kind = Kinds[Families.Committed.RunnerOf(name)];
        using var scope = NewDisposeScope();
        Run(name, kind.Expectations, (expected, at) => kind.Test(expected, at));
    }

    [TestMethod, TestCategory("Models")]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void FailsWhereNothingIsCompared(string name)
    {
        SharedData.RequireFolder(SharedData.Models);
        ModelExpectation kind = Kinds[Families.Committed.RunnerOf(name)];
        Assert.Contains("not compared", Assert.ThrowsExactly<AssertFailedException>(() => Run(name, kind.Expectations, (_, _) => { })).Message);
    }

    internal static PretrainedModel Load(string folder) =>
        ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1);

    private static void Run(string name, string expectations, Action<ExpectedJson, ExpectationPlace> test)
    {
        string[] parts = name.Split('/');
        var at = new ExpectationPlace(Path.Combine(SharedData.Models, parts[1]), parts[2]);
        ExpectedJson.Run(name, Path.Combine(at.Folder, CaseNames.ExpectationPrefix + at.Kind + ".json"), expectations, expected => test(expected, at));
    }

    private static void CheckEmbeddings(ExpectedJson expected, ExpectationPlace at)
    {
        JsonObject[] items = [.. expected.Root["items"]!.AsArray().Select(item => item!.AsObject())];
        TextTokenizer tokenizer = TextTokenizer.Load(at.Folder);
        using PretrainedModel model = Load(at.Folder);
        TaskRuntime task = PeftTask.TextEmbedding().Bind(LabelSet.None, new TextProcessor(tokenizer), 256);
        Head head = task.CreateHead(model);
        Example[] rows = [.. items.Select(item => Example.From(tokenizer.Encode(item["text"]!.GetValue<string>(), null, 256), []))];
        foreach (var (row, item) in rows.Zip(items))
            expected.Same(item["ids"]!, row.Ids, item["text"]!.ToString());

        using Batch batch = Batch.Collate(rows, CPU, withLabels: false);
        using var noGrad = no_grad();
        Tensor vectors = head.Forward(model.Features(batch, head, ForwardContext.Inference), batch, ForwardContext.Inference);
        double tolerance = expected.Root["tolerance"]!.GetValue<double>();
        CheckMatrix(expected, "embeddings", vectors, tolerance);
        CheckMatrix(expected, "cosine", vectors.mm(vectors.t()), 2 * tolerance);
    }

    private static void CheckMatrix(ExpectedJson expected, string name, Tensor actual, double tolerance)
    {
        JsonArray rows = expected.Root[name]!.AsArray();
        Assert.AreEqual(rows.Count, actual.shape[0], $"rows of {name}");
        double[] values = [.. actual.to(ScalarType.Float64).flatten().data<double>()];
        expected.Close(rows, values, (_, _) => tolerance, name);
    }
}

/// <summary>A kind of expectations of a real model.</summary>
/// <param name="Test">The test.</param>
/// <param name="Expectations">The paths of what the file expects.</param>
internal sealed record ModelExpectation(Action<ExpectedJson, ExpectationPlace> Test, string Expectations);

/// <summary>Where a file of expectations lies.</summary>
/// <param name="Folder">The model.</param>
/// <param name="Kind">The file's kind: what stands behind <c>expected-</c>.</param>
internal sealed record ExpectationPlace(string Folder, string Kind);
