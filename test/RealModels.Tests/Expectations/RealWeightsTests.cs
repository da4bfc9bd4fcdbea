using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace RealModels.Tests.Expectations;

/// <summary>What formats lose of weights that were trained: SmolLM2's, as its Q4_1 file holds them.</summary>
[TestClass]
public sealed class RealWeightsTests
{
    private static readonly string Model = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    [TestMethod]
    public void Nf4LosesLessThanFp4OfEveryMatrix()
    {
        SharedData.RequireFolder(Model);
        using ITensorSource source = CheckpointFolder.Open(Model);
        string[] matrices = [.. source.Names.Where(name => name.EndsWith("_proj.weight", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.HasCount(210, matrices);
        double nf4 = 0, fp4 = 0;
        foreach (string name in matrices)
        {
            using var scope = NewDisposeScope();
            Tensor weight = source.Read(name).to(ScalarType.Float32);
            double normal = Error(weight, QuantizationFormat.Nf4), floats = Error(weight, QuantizationFormat.Fp4);
            Assert.IsLessThan(floats, normal, name);
            (nf4, fp4) = (nf4 + normal, fp4 + floats);
        }
        Console.WriteLine(FormattableString.Invariant($"mean relative error: NF4 {nf4 / matrices.Length:f4}, FP4 {fp4 / matrices.Length:f4}"));
    }

    /// <summary>What docs/quantization.md says of a vocabulary in fewer bits, beside inputs in 8 bits: losses of Shakespeare's words.</summary>
    [TestMethod]
    public void AVocabularyInFewerBitsCostsLittle()
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        SharedData.RequireFolder(Path.Combine(SharedData.Data, "tiny-shakespeare"));
        double floats = Loss("floats", new()), bfloat16 = Loss("bfloat16", new() { VocabularyFormat = QuantizationFormat.BFloat16 });
        double int8 = Loss("8 bits", new() { VocabularyFormat = QuantizationFormat.Int8Rowwise });
        double inputs = Loss("8 bits, inputs too", new() { VocabularyFormat = QuantizationFormat.Int8Rowwise, QuantizeActivations = true });
        Assert.AreEqual(floats, bfloat16, 2e-3);
        Assert.AreEqual(floats, int8, 1e-2);
        Assert.AreEqual(floats, inputs, 1e-2);
    }

    private static double Loss(string name, QuantizationOptions options)
    {
        using var scope = NewDisposeScope();
        using PretrainedModel model = BaseModels.Open(Model, CPU, seed: 1, options);
        double loss = GenerationExpectations.MeanLikelihood(
            Model, model, new() { ["file"] = "tiny-shakespeare/test.txt", ["skip_tokens"] = 0, ["tokens"] = 1024, ["window"] = 512 });
        Console.WriteLine(FormattableString.Invariant($"NF4, vocabulary in {name}: {loss:f4} nats a token"));
        return loss;
    }

    private static double Error(Tensor weight, QuantizationFormat format)
    {
        using PackedMatrix packed = Quantizer.Quantize(weight, new QuantizationOptions { Format = format }, "weight");
        return ((weight - packed.Dequantize()).norm() / weight.norm()).item<float>();
    }
}
