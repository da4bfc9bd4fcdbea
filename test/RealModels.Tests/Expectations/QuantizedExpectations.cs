using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace RealModels.Tests.Expectations;

/// <summary><c>expected-quantized.json</c>: a real decoder after bitsandbytes' rounding, in each format.</summary>
internal static class QuantizedExpectations
{
    public const string Expectations = @"^\$\.formats\W.+\.(mean_nll|weight_rmse|last_logits_top5)$";

    private const string Double = "-dq";

    // As the file's "tolerance" states them.
    private const double LossTolerance = 2e-4, LogitTolerance = 2e-2, WeightTolerance = 1e-4;

    public static void Check(ExpectedJson expected, ExpectationPlace at)
    {
        int[] prompt = [.. ExpectedJson.Read(Path.Combine(at.Folder, "expected-greedy.json"))["items"]![0]!["ids"]!.AsArray().Select(id => id!.GetValue<int>())];
        foreach (var (name, format) in expected.Root["formats"]!.AsObject())
            Check(expected, at.Folder, prompt, name, format!.AsObject());
    }

    private static void Check(ExpectedJson file, string folder, int[] prompt, string name, JsonObject expected)
    {
        using var scope = NewDisposeScope();
        using SharedCheckpoint floats = SharedCheckpoint.Acquire(folder, CPU);
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(folder), floats.AddReference(), CPU, seed: 1, OptionsOf(name));
        Assert.AreEqual(name == "float32", model.Weights.Quantized.Count == 0, name);
        file.Close(expected["weight_rmse"]!, [WeightError(model, floats)], (_, error) => WeightTolerance * error, $"{name}: weight error");
        GenerationExpectations.CheckLogits(file, folder, model, prompt, expected["last_logits_top5"]!.AsArray(), LogitTolerance, name);
        double loss = GenerationExpectations.MeanLikelihood(folder, model, file.Root["text"]!.AsObject());
        file.Close(expected["mean_nll"]!, [loss], (_, _) => LossTolerance, $"{name}: loss");
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
