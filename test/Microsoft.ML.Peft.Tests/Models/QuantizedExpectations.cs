using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Models;

/// <summary><c>expected-quantized.json</c>: a real decoder after bitsandbytes' rounding, in each format.</summary>
internal static class QuantizedExpectations
{
    private const string Double = "-dq";

    // As the file's "tolerance" states them.
    private const double LossTolerance = 2e-4, LogitTolerance = 2e-2, WeightTolerance = 1e-4;

    public static void Check(string folder, JsonObject expected, string kind)
    {
        int[] prompt = [.. JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "expected-greedy.json")))!["items"]![0]!["ids"]!.AsArray().Select(id => id!.GetValue<int>())];
        foreach (var (name, format) in expected["formats"]!.AsObject())
            Check(folder, expected["text"]!.AsObject(), prompt, name, format!.AsObject());
    }

    private static void Check(string folder, JsonObject text, int[] prompt, string name, JsonObject expected)
    {
        using var scope = NewDisposeScope();
        using SharedCheckpoint floats = SharedCheckpoint.Acquire(folder, CPU);
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(folder), floats.AddReference(), CPU, seed: 1, OptionsOf(name));
        Assert.AreEqual(name == "float32", model.Weights.Quantized.Count == 0, name);
        double error = expected["weight_rmse"]!.GetValue<double>();
        Assert.AreEqual(error, WeightError(model, floats), WeightTolerance * error, $"{name}: weight error");
        GenerationExpectations.CheckLogits(folder, model, prompt, expected["last_logits_top5"]!.AsArray(), LogitTolerance, name);
        Assert.AreEqual(expected["mean_nll"]!.GetValue<double>(), GenerationExpectations.MeanLikelihood(folder, model, text), LossTolerance, $"{name}: loss");
    }

    private static QuantizationOptions? OptionsOf(string name) => name == "float32" ? null : new QuantizationOptions
    {
        Format = Enum.Parse<QuantizationFormat>(name.Replace(Double, "", StringComparison.Ordinal), ignoreCase: true),
        DoubleQuantization = name.EndsWith(Double, StringComparison.Ordinal),
    };

    private static double WeightError(PretrainedModel model, SharedCheckpoint floats)
    {
        double squares = 0, count = 0;
        foreach (QuantizedWeight weight in model.Weights.Quantized)
        {
            using var scope = NewDisposeScope();
            squares += (weight.Dequantize() - floats.Get(weight.Name)).square().sum(ScalarType.Float64).item<double>();
            count += weight.Inputs * weight.Outputs;
        }
        return count == 0 ? 0 : Math.Sqrt(squares / count);
    }
}
