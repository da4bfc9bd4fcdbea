using System.Diagnostics;
using System.Text;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

[TestClass]
public sealed class SpeedTests
{
    private const string Missing = "(none)";

    private static IEnumerable<string> AllFolders => Shared.Folders(Path.Combine(Shared.ParityRoot, "tokenizers"), "cases.json")
        .Concat(Shared.Folders(Shared.ModelsRoot, "tokenizer.json"));

    public static IEnumerable<object[]> Folders => AllFolders.DefaultIfEmpty(Missing).Select(folder => new object[] { folder });

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void HalfAMegabyteASecondAtLeast(string folder)
    {
        TextTokenizer tokenizer = Shared.Load(folder);
        string[] lines = English(1 << 20);
        Tokenize(tokenizer, lines[..200]);
        Stopwatch watch = Stopwatch.StartNew();
        int tokens = Tokenize(tokenizer, lines);
        double rate = lines.Sum(line => line.Length) / 1e6 / watch.Elapsed.TotalSeconds;
        Console.WriteLine($"{Path.GetFileName(folder)}: {rate:F1} MB/s, {tokens} tokens");
        Assert.IsTrue(rate > 0.5, $"{rate:F2} MB/s");
    }

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void LongTextsTakeLinearTime(string folder)
    {
        TextTokenizer tokenizer = Shared.Load(folder);
        foreach (string pattern in new[] { "x", "the sea ", "é", " ", "\u0301", "1.", "🎉", "a▁" })
        {
            string text = string.Concat(Enumerable.Repeat(pattern, 100_000 / pattern.Length));
            Stopwatch watch = Stopwatch.StartNew();
            tokenizer.Encode(text);
            Assert.IsTrue(watch.Elapsed.TotalSeconds < 3, $"'{pattern}' takes {watch.Elapsed.TotalSeconds:F1} s");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void ThreadsGetTheSame(string folder)
    {
        TextTokenizer tokenizer = Shared.Load(folder);
        string[] lines = English(50_000);
        TextTokenizer fresh = TextTokenizer.Load(folder);
        int[][] expected = [.. lines.Select(line => fresh.Encode(line).Ids)];
        Parallel.For(0, 4 * lines.Length, i => CollectionAssert.AreEqual(expected[i % lines.Length], tokenizer.Encode(lines[i % lines.Length]).Ids));
    }

    private static int Tokenize(TextTokenizer tokenizer, string[] lines) => lines.Sum(line => tokenizer.Encode(line).Length);

    /// <summary>Lines of words whose frequency falls with their rank, as those of a language do.</summary>
    private static string[] English(int characters)
    {
        Random random = new(3);
        string[] syllables = ["the", "an", "in", "er", "on", "re", "ed", "at", "st", "ing", "ou", "tion", "ly", "m", "k", "s", "be", "for", "wa"];
        string[] words = [.. Enumerable.Range(0, 20_000).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ => syllables[random.Next(syllables.Length)])))];
        List<string> lines = [];
        for (int written = 0; written < characters;)
        {
            StringBuilder line = new("The ");
            for (int i = 0; i < 20; i++)
            {
                line.Append(words[(int)Math.Exp(random.NextDouble() * Math.Log(words.Length)) - 1]).Append(i == 19 ? ". " : i % 7 == 6 ? ", " : " ");
            }
            lines.Add(line.ToString());
            written += line.Length;
        }
        return [.. lines];
    }
}
