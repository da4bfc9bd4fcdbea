using System.Text;
using Microsoft.ML.Peft.Checkpoints;
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
    public void Safetensors() => Mutate(Small(), 10_000, SafetensorsFile.Open);

    [TestMethod]
    public void PyTorchZip() => Mutate(Pickles.Zip(Pickles.Wrapped), 10_000, PyTorchFile.Open);

    [TestMethod]
    public void PyTorchLegacy() => Mutate(Pickles.Legacy, 10_000, PyTorchFile.Open);

    [TestMethod]
    public void Onnx() => Mutate(OnnxTensorSourceTests.Exported(), 10_000, OnnxTensorSource.Open);

    [TestMethod]
    public void Config()
    {
        var random = new Random(Seed);
        for (int i = 0; i < 20_000; i++)
            Allowed(i, s_config, random, bytes => HfConfig.Parse(bytes, "config.json").Has("n"));
    }

    private static byte[] Small()
    {
        using DisposeScope scope = NewDisposeScope();
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, [("a", ones(2, 3)), ("b", ones(4, ScalarType.Int64)), ("c", ones(3, ScalarType.Bool)), ("d", ones(1, ScalarType.BFloat16))]);
        return file.ToArray();
    }

    private void Mutate(byte[] original, int count, Func<string, ITensorSource> open)
    {
        var random = new Random(Seed);
        string path = Path.Combine(Samples.NewFolder(TestContext), "file");
        int read = 0;
        for (int i = 0; i < count; i++)
            read += Allowed(i, original, random, bytes => ReadAll(path, bytes, open)) ? 1 : 0;
        TestContext.WriteLine($"{count} mutants, {read} still read");
    }

    private static void ReadAll(string path, byte[] bytes, Func<string, ITensorSource> open)
    {
        File.WriteAllBytes(path, bytes);
        using DisposeScope scope = NewDisposeScope();
        using ITensorSource source = open(path);
        foreach (string name in source.Names)
            Assert.AreEqual(Malformed.Shape(source.ShapeOf(name)), Malformed.Shape(source.Read(name).shape));
    }

    private static bool Allowed(int number, byte[] original, Random random, Action<byte[]> read)
    {
        byte[] mutant = Mutant(original, random);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read(mutant);
            return true;
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException)
        {
            return false;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"mutant {number}: {Convert.ToBase64String(mutant)}", e);
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
