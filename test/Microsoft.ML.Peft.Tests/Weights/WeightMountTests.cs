using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Weights;

/// <summary>Two models in one: each below a name of its own, one in floats, the other in 4 bits.</summary>
[TestClass]
public sealed class WeightMountTests
{
    private const int Width = 64;

    private string _folder = "";

    [TestInitialize]
    public void Write()
    {
        _folder = Directory.CreateTempSubdirectory("mounts-").FullName;
        File.WriteAllText(Path.Combine(_folder, "config.json"), "{}");
        Save("eyes.proj.weight", "language_model.layers.0.proj.weight", "language_model.layers.1.proj.weight");
    }

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void EachModelHasItsOwnQuantization()
    {
        using ModelWeights weights = Open();
        Projection eyes = Eyes(weights), language = Language(weights, 0);
        Assert.IsInstanceOfType<DenseWeight>(eyes.Weight);
        var packed = Assert.IsInstanceOfType<QuantizedWeight>(language.Weight);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor x = ones([1, Width], ScalarType.Float32, CPU), expected = nn.functional.linear(x, packed.Dequantize());
        TensorAssert.Close(expected, language.Forward(x, ForwardContext.Inference), 1e-4, 1e-4, "the second half, in NF4");
        Assert.IsTrue(weights.Sources.IsOfBase("language_model.layers.0.proj.weight"));
        Assert.IsFalse(weights.Sources.IsOfBase("head.weight"));
        Language(weights, 1);
        weights.Sources.CheckComplete(_ => false);
    }

    [TestMethod]
    public void AMissingTensorOfEitherModelIsNamed()
    {
        foreach (string left in new[] { "eyes.proj.weight", "language_model.layers.0.proj.weight" })
        {
            File.Delete(Path.Combine(_folder, "model.safetensors"));
            Save(left, "language_model.layers.1.proj.weight");
            using ModelWeights weights = Open();
            Eyes(weights);
            Language(weights, 0);
            Language(weights, 1);
            string missing = left.StartsWith("eyes", StringComparison.Ordinal) ? "language_model.layers.0.proj.weight" : "eyes.proj.weight";
            Assert.Contains(missing, Assert.ThrowsExactly<InvalidDataException>(() => weights.Sources.CheckComplete(_ => false)).Message);
        }
    }

    [TestMethod]
    public void ATensorThatNobodyReadsIsNamed()
    {
        using ModelWeights weights = Open();
        Eyes(weights);
        Language(weights, 0);
        Assert.Contains("language_model.layers.1.proj.weight", Assert.ThrowsExactly<InvalidDataException>(() => weights.Sources.CheckComplete(_ => false)).Message);
    }

    [TestMethod]
    public void AModelWithoutANameIsRefused() => Assert.ThrowsExactly<ArgumentException>(() => new WeightMount([""], null, null));

    private static Projection Eyes(ModelWeights weights) => new(weights.Root["eyes"]["proj"], Width, Width, bias: false);

    private static Projection Language(ModelWeights weights, int layer) => new(weights.Root["language_model"]["layers"][$"{layer}"]["proj"], Width, Width, bias: false);

    private ModelWeights Open() => new(
        [
            new WeightMount(["eyes"], SharedCheckpoint.Acquire(_folder, CPU), null),
            new WeightMount(["language_model"], SharedCheckpoint.Acquire(_folder, CPU), new QuantizationOptions()),
        ], CPU, 0.02, seed: 1);

    private void Save(params string[] names)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        SafetensorsWriter.WriteFile(Path.Combine(_folder, "model.safetensors"),
            names.Select(name => (name, randn([Width, Width], ScalarType.Float32, CPU, generator: generator))).ToList());
    }
}
