using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Models;

/// <summary>Real models against what the originals answer: one test for each <c>expected-*.json</c>, named folder/kind.</summary>
[TestClass]
public sealed class ModelExpectationTests
{
    private const string Prefix = "expected-";

    private const string Training = "training";

    private static readonly string[] Generating = ["greedy", "generation"];

    public static IEnumerable<object[]> Cases
    {
        get
        {
            object[][] found = Directory.Exists(SharedData.Models)
                ? [.. Directory.GetFiles(SharedData.Models, Prefix + "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
                    .Select(file => new object[] { $"{Path.GetFileName(Path.GetDirectoryName(file))}/{Path.GetFileNameWithoutExtension(file)[Prefix.Length..]}" })]
                : [];
            return found.Length > 0 ? found : [["(no models)"]];
        }
    }

    public static string Name(System.Reflection.MethodInfo method, object[] data) => (string)data[0];

    [TestMethod, TestCategory("Models")]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void Expectation(string name)
    {
        SharedData.RequireFolder(SharedData.Models);
        var (folder, kind) = (Path.Combine(SharedData.Models, name.Split('/')[0]), name.Split('/')[^1]);
        if (CheckOf(folder, kind) is not { } check)
        {
            Console.WriteLine($"Not decided: '{kind}' is not supported yet.");
            Assert.Inconclusive($"'{kind}' is not supported yet.");
            return;
        }
        using var scope = NewDisposeScope();
        check(folder, JsonNode.Parse(File.ReadAllText(Path.Combine(folder, Prefix + kind + ".json")))!.AsObject(), kind);
    }

    private static Action<string, JsonObject, string>? CheckOf(string folder, string kind)
    {
        if (kind == "embeddings")
            return CheckEmbeddings;
        if (Generating.Contains(kind))
            return CheckGeneration;
        if (kind == "quantized")
            return QuantizedExpectations.Check;
        if (!kind.StartsWith(Training, StringComparison.Ordinal))
            return null;
        string adapter = Path.Combine(AdapterOf(folder, kind), LoraConfigFile.FileName);
        return JsonNode.Parse(File.ReadAllText(adapter))!["peft_type"]!.GetValue<string>() == "LORA" ? CheckTraining : null;
    }

    private static string AdapterOf(string folder, string kind) => Path.Combine(folder, kind.Replace(Training, "training-adapter", StringComparison.Ordinal));

    private static void CheckGeneration(string folder, JsonObject expected, string kind)
    {
        using PretrainedModel model = Load(folder);
        GenerationExpectations.Check(folder, model, expected);
    }

    private static void CheckEmbeddings(string folder, JsonObject expected, string kind)
    {
        JsonObject[] items = [.. expected["items"]!.AsArray().Select(item => item!.AsObject())];
        TextTokenizer tokenizer = TextTokenizer.Load(folder);
        using PretrainedModel model = Load(folder);
        TaskRuntime task = PeftTask.TextEmbedding().Bind(LabelSet.None, tokenizer, 256);
        Head head = task.CreateHead(model);
        Example[] rows = [.. items.Select(item => Example.From(tokenizer.Encode(item["text"]!.GetValue<string>(), null, 256), []))];
        foreach (var (row, item) in rows.Zip(items))
            CollectionAssert.AreEqual(item["ids"]!.AsArray().Select(id => id!.GetValue<int>()).ToArray(), row.Ids, item["text"]!.ToString());

        using Batch batch = Batch.Collate(rows, tokenizer.PadId ?? 0, CPU, withLabels: false);
        using var noGrad = no_grad();
        Tensor vectors = head.Forward(model.Forward(batch, head.Rows(batch), ForwardContext.Inference), batch, ForwardContext.Inference);
        double tolerance = expected["tolerance"]!.GetValue<double>();
        TensorAssert.Close(Matrix(expected["embeddings"]!), vectors, tolerance, 0, "embeddings");
        TensorAssert.Close(Matrix(expected["cosine"]!), vectors.mm(vectors.t()), 2 * tolerance, 0, "cosine");
    }

    private static void CheckTraining(string folder, JsonObject expected, string kind)
    {
        using PretrainedModel model = Load(folder);
        TrainingRows rows = TrainingRows.Read(folder, expected);
        Head head = rows.CreateHead(model);
        using ITuner tuner = LoadAdapter(model, head, AdapterOf(folder, kind));
        JsonObject settings = expected["optimizer"]!.AsObject();
        using var optimizer = new AdamW(tuner.Trainable, TinyRun.Settings(new() { WeightDecay = settings["weight_decay"]!.GetValue<double>(), DecayBiasesAndNorms = true }));
        if (expected["trained_parameters"]?.GetValue<long>() is { } count)
            Assert.AreEqual(count, tuner.Trainable.Sum(p => p.Value.numel()), "trained parameters");

        double[] losses = [.. expected["losses"]!.AsArray().Select(loss => loss!.GetValue<double>())];
        Example[][] batches = [.. rows.Examples.Chunk(expected["batch_size"]!.GetValue<int>()).Take(losses.Length)];
        Assert.HasCount(losses.Length, batches);
        for (int step = 0; step < losses.Length; step++)
        {
            double found = Step(model, head, optimizer, batches[step], settings["lr"]!.GetValue<double>());
            double tolerance = (step < 10 ? 1e-4 : 1e-3) * losses[step];
            Assert.AreEqual(losses[step], found, tolerance, $"loss before step {step}");
        }
    }

    private static double Step(PretrainedModel model, Head head, AdamW optimizer, Example[] rows, double learningRate)
    {
        using var scope = NewDisposeScope();
        using Batch batch = Batch.Collate(rows, 0, CPU, withLabels: true);
        Tensor logits = head.Forward(model.Forward(batch, head.Rows(batch), ForwardContext.Inference), batch, ForwardContext.Inference);
        Tensor loss = nn.functional.cross_entropy(logits.flatten(0, -2), batch.Labels!.flatten(), ignore_index: Batch.IgnoredLabel);
        loss.backward();
        optimizer.Step(learningRate, gradientScale: 1);
        optimizer.ClearGradients();
        return loss.item<float>();
    }

    private static ITuner LoadAdapter(PretrainedModel model, Head head, string folder)
    {
        string file = Path.Combine(folder, LoraConfigFile.FileName);
        ITuner tuner = LoraConfigFile.Read(JsonNode.Parse(File.ReadAllText(file))!.AsObject(), file).Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        using ITensorSource source = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        tuner.Import(source);
        return tuner;
    }

    private static PretrainedModel Load(string folder) =>
        ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1);

    private static Tensor Matrix(JsonNode rows)
    {
        float[][] values = [.. rows.AsArray().Select(row => row!.AsArray().Select(v => v!.GetValue<float>()).ToArray())];
        return tensor(values.SelectMany(row => row).ToArray()).view(values.Length, -1);
    }
}
