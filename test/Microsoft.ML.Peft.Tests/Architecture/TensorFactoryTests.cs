using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>No tensor of the library takes the process's default dtype or device.</summary>
[TestClass]
public sealed class TensorFactoryTests
{
    [TestMethod]
    public void EveryTensorStatesDtypeAndDevice()
    {
        string source = Path.Combine(RepositoryFolder.Root, "src");
        string[] found = [.. TensorFactories.WithoutDefaults(Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(source, file).Split(Path.DirectorySeparatorChar).Contains("obj"))
            .Select(file => (Path.GetRelativePath(source, file), File.ReadAllText(file))))];
        Assert.IsEmpty(found, string.Join(Environment.NewLine, found));
    }

    [TestMethod]
    [DataRow("empty(2, 3)", "dtype", "device")]
    [DataRow("empty([2, 3], ScalarType.Float32)", "device")]
    [DataRow("zeros([2], device: CPU)", "dtype")]
    [DataRow("ones([2], null, CPU)", "dtype")]
    [DataRow("full([2], 1, ScalarType.Int64)", "device")]
    [DataRow("torch.tensor(1f)", "device")]
    [DataRow("tensor(new[] { 1L }, device: CPU)", "dtype")]
    [DataRow("arange(3, device: CPU)", "dtype")]
    [DataRow("rand(2)", "dtype", "device")]
    [DataRow("normal(0, 1, [2])", "dtype", "device")]
    [DataRow("from_array(new float[2])", "device")]
    [DataRow("linspace(0, 1, 3, ScalarType.Float32)", "device")]
    [DataRow("0f.ToTensor()", "device")]
    [DataRow("new float[2].ToTensor(new long[] { 2 })", "device")]
    [DataRow("zeros([unknown.Rank], device: CPU)", "binding")]
    [DataRow("new Generator(1)", "device")]
    [DataRow("where(given > given, given, 0f)", "dtype and device (an implicit conversion)")]
    [DataRow("empty([2], ScalarType.Float32, CPU)")]
    [DataRow("full_like(given, 1)")]
    [DataRow("given.new_zeros(2) * 2f + 1")]
    public void TheGateCatches(string expression, params string[] missing)
    {
        string file = $$"""
            using TorchSharp;
            using static TorchSharp.torch;
            static class Sample { static object Make(Tensor given) => {{expression}}; }
            """;
        string[] found = [.. TensorFactories.WithoutDefaults([("Sample.cs", file)])];
        CollectionAssert.AreEquivalent(missing.Select(what => $"no {what}").ToArray(), found.Select(line => line.Split(": ")[1]).ToArray(), string.Join("; ", found));
    }
}
