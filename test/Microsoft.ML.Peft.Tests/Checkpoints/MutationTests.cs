using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.Tests.Checkpoints.Gguf;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Files damaged at random are read or refused, never worse.</summary>
[TestClass]
public sealed class MutationTests
{
    private const int Seed = 20;

    private static readonly byte[] s_config = """{"model_type":"bert","architectures":["A"],"hidden_size":32,"id2label":{"0":"no","1":"y\u00e4"},"t":{"n":1e3}}"""u8.ToArray();

    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void Safetensors() => Mutate(Small(), SafetensorsFile.Open);

    [TestMethod]
    public void PackedMatrices()
    {
        foreach (QuantizationOptions format in Quantization.Matrices.Formats)
        {
            Mutate(Packed(format), SafetensorsFile.Open, source =>
            {
                using PackedMatrix matrix = QuantStateFile.Read(source, "w.weight", 6, 40, CPU);
                matrix.Dequantize();
                matrix.Product(ones(2, 40), null);
                matrix.InputGradient(ones(2, 6));
            }, count: 2_000);
        }
    }

    [TestMethod]
    public void PyTorchZip() => Mutate(Pickles.Zip(Pickles.Wrapped), PyTorchFile.Open);

    [TestMethod]
    public void TorchScript()
    {
        string file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.pt");
        using (NewDisposeScope())
            ScriptArchive.Write(file, [("a.0.weight", ones([2, 3], ScalarType.Float32, CPU)), ("a.0.bias", ones([2], ScalarType.Float16, CPU)), ("b", ones([1], ScalarType.Int64, CPU))]);
        byte[] archive = File.ReadAllBytes(file);
        File.Delete(file);
        Mutate(archive, PyTorchFile.Open);
    }

    [TestMethod]
    public void PyTorchLegacy() => Mutate(Pickles.Legacy, PyTorchFile.Open);

    [TestMethod]
    public void Onnx() => Mutate(OnnxTensorSourceTests.Exported(), OnnxTensorSource.Open);

    [TestMethod]
    public void GgufContainer() => Mutate(TinyGguf.Llama().Add("q", 8, [32], new byte[34]).Add("k", 14, [256], new byte[210]).ToBytes(), GgufFile.Open);

    [TestMethod]
    public void GgufModel() => Mutate(TinyGguf.Llama().ToBytes(), GgufWeights.Open);

    [TestMethod]
    public void Config()
    {
        var random = new Random(Seed);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] mutant = Mutant(s_config, random);
            Allowed(mutant, () => HfConfig.Parse(mutant, "config.json").Has("n"));
        }
    }

    private static byte[] Small()
    {
        using DisposeScope scope = NewDisposeScope();
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, [("a", ones(2, 3)), ("b", ones(4, ScalarType.Int64)), ("c", ones(3, ScalarType.Bool)), ("d", ones(1, ScalarType.BFloat16))]);
        return file.ToArray();
    }

    private static byte[] Packed(QuantizationOptions format)
    {
        using DisposeScope scope = NewDisposeScope();
        using PackedMatrix matrix = Quantizer.Quantize(Quantization.Matrices.Noise(6, 40), format, "w");
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, matrix.Export("w.weight", transposed: false));
        return file.ToArray();
    }

    // All mutants lie in one file: creating thousands would take longer than reading them.
    private void Mutate(byte[] original, Func<string, long, long, ITensorSource> open, Action<ITensorSource>? use = null, int count = 10_000)
    {
        var random = new Random(Seed);
        byte[][] mutants = [.. Enumerable.Range(0, count).Select(_ => Mutant(original, random))];
        string path = Path.Combine(Samples.NewFolder(TestContext), "mutants");
        File.WriteAllBytes(path, [.. mutants.SelectMany(mutant => mutant)]);
        long offset = 0;
        int read = 0;
        foreach (byte[] mutant in mutants)
        {
            read += Allowed(mutant, () => ReadAll(open, path, offset, mutant.Length, use)) ? 1 : 0;
            offset += mutant.Length;
        }
        TestContext.WriteLine($"{count} mutants, {read} still read");
    }

    private static void ReadAll(Func<string, long, long, ITensorSource> open, string path, long offset, long length, Action<ITensorSource>? use)
    {
        using DisposeScope scope = NewDisposeScope();
        using ITensorSource source = open(path, offset, length);
        use?.Invoke(source);
        foreach (string name in source.Names)
            Assert.AreEqual(Malformed.Shape(source.ShapeOf(name)), Malformed.Shape(source.Read(name).shape));
    }

    private static bool Allowed(byte[] mutant, Action read)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read();
            return true;
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException)
        {
            return false;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"mutant {Convert.ToBase64String(mutant)}", e);
        }
        finally
        {
            // Objects take more room than bytes; what must not happen is a buffer of a size that the file only claims.
            Assert.IsLessThan(1 << 20, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    private static byte[] Mutant(byte[] original, Random random)
    {
        var bytes = new List<byte>(original);
        for (int changes = random.Next(1, 4); changes > 0 && bytes.Count > 1; changes--)
            Change(bytes, random.Next(bytes.Count), random);
        return [.. bytes];
    }

    private static void Change(List<byte> bytes, int at, Random random)
    {
        ReadOnlySpan<byte> digits = "0123456789-[]{}\",:\\eu"u8;
        int length = Math.Min(random.Next(1, 9), bytes.Count - at);
        switch (random.Next(7))
        {
            case 0: bytes[at] = (byte)random.Next(256); break;
            case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 2: bytes[at] = digits[random.Next(digits.Length)]; break;
            case 3: bytes.RemoveRange(at, length); break;
            case 4: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
            case 5: bytes.RemoveRange(at, bytes.Count - at); break;
            default: bytes[at] = 255; break;
        }
    }
}
