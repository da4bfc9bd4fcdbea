using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

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

    private static double Error(Tensor weight, QuantizationFormat format)
    {
        using PackedMatrix packed = Quantizer.Quantize(weight, new QuantizationOptions { Format = format }, "weight");
        return ((weight - packed.Dequantize()).norm() / weight.norm()).item<float>();
    }
}
