using System.Diagnostics;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Damaged files: refused with a word about what is wrong, or read; never a hang or another exception.</summary>
[TestClass]
public sealed class MutationTests
{
    private const int Mutations = 150;
    private const string Text = "Hello, naïve  world 123!\n<s> 你好 🎉 don't";

    public static IEnumerable<object[]> Sources => SmallFiles().Select(file => new object[] { file }).DefaultIfEmpty(["(none)"]);

    [TestMethod]
    [DynamicData(nameof(Sources))]
    public void DamagedFilesOfTheSharedCases(string source)
    {
        if (!File.Exists(source))
            SharedData.RequireFolder(Shared.ParityRoot);
        Damage(Path.GetFileName(source), File.ReadAllBytes(source), Mutations);
    }

    [TestMethod]
    [DataRow(TinyFiles.WordPiece)]
    [DataRow(TinyFiles.Bpe)]
    [DataRow(TinyFiles.Unigram)]
    [DataRow(TinyFiles.ByteLevel)]
    public void DamagedTinyFiles(string json) => Damage("tokenizer.json", System.Text.Encoding.UTF8.GetBytes(json), 10 * Mutations);

    private static IEnumerable<string> SmallFiles() => new[] { Path.Combine(Shared.ParityRoot, "tokenizers"), Shared.ModelsRoot }
        .Where(Directory.Exists)
        .SelectMany(root => Directory.GetFiles(root, "*", SearchOption.AllDirectories))
        .Where(file => Path.GetFileName(file) == "tokenizer.json" || file.EndsWith(".model", StringComparison.Ordinal))
        .Where(file => new FileInfo(file).Length < 300_000)
        .Order();

    private static void Damage(string name, byte[] original, int mutations)
    {
        Random random = new(11);
        using TemporaryFolder folder = new();
        int refused = 0;
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < mutations; i++)
        {
            File.WriteAllBytes(Path.Combine(folder.Path, name), Mutate(original, random));
            refused += IsRefused(folder.Path) ? 1 : 0;
        }
        Console.WriteLine($"{name} ({original.Length} bytes): {refused} of {mutations} refused in {watch.Elapsed.TotalSeconds:F1} s");
        Assert.IsTrue(watch.Elapsed.TotalSeconds < 60);
    }

    private static bool IsRefused(string folder)
    {
        try
        {
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            tokenizer.Decode(tokenizer.Encode(Text, Text, maxLength: 24).Ids, skipSpecialTokens: false);
            return false;
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            Assert.IsTrue(exception.Message.Length > 10);
            return true;
        }
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        List<byte> bytes = [.. original];
        if (random.Next(2) == 0)
        {
            return Swap(bytes, random);
        }
        for (int count = random.Next(1, 4); count > 0 && bytes.Count > 0; count--)
        {
            // Half of the damage goes where the structure is rather than the vocabulary.
            int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Count, 2500)) : random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 30), bytes.Count - at)));
                    break;
                case 3:
                    bytes[at] = (byte)"0123456789-\"[]{},:nt"[random.Next(20)];
                    break;
                default:
                    bytes.RemoveRange(at, random.Next(20) == 0 ? bytes.Count - at : 1);
                    break;
            }
        }
        return [.. bytes];
    }

    /// <summary>Damage that leaves the structure whole: one digit or letter for another.</summary>
    private static byte[] Swap(List<byte> bytes, Random random)
    {
        for (int count = random.Next(1, 6); count > 0; count--)
        {
            int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Count, 2500)) : random.Next(bytes.Count);
            bytes[at] = char.IsAsciiDigit((char)bytes[at]) ? (byte)random.Next('0', '9' + 1)
                : char.IsAsciiLetter((char)bytes[at]) ? (byte)random.Next('a', 'z' + 1)
                : bytes[at];
        }
        return [.. bytes];
    }
}
