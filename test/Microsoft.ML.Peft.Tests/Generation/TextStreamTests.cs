using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Tests.Tokenization;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Generation;

[TestClass]
public sealed class TextStreamTests
{
    private const string ByteFallback = """
        {"added_tokens": [{"id": 0, "content": "</s>", "special": true, "normalized": false}],
         "decoder": {"type": "Sequence", "decoders": [
             {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
             {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
         "model": {"type": "BPE", "byte_fallback": true, "merges": [],
                   "vocab": {"</s>": 0, "<0x0A>": 1, "<0xC3>": 2, "<0xA9>": 3, "<0xFF>": 4, "▁a": 5, "b": 6, "▁": 7, "st": 8, "op": 9}}}
        """;

    private static readonly string[] s_texts =
        ["Grüße aus Köln: 3,50 € — naïve café, 日本語のテキスト 👩‍👩‍👧 🇩🇪!", "  two  spaces\n\nand\tlines ", "plain words, nothing more", "مرحبا नमस्ते"];

    [TestMethod]
    public void PiecesComeToTheWholeTextAndAreNeverTakenBack()
    {
        SharedData.RequireFolder(Path.Combine(SharedData.Parity, "tokenizers"));
        foreach (string folder in Tokenization.Shared.Folders(Path.Combine(SharedData.Parity, "tokenizers"), "cases.json").Concat(Tokenization.Shared.Folders(SharedData.Models, "tokenizer.json")))
        {
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            foreach (string text in s_texts)
                CheckPieces(tokenizer, tokenizer.Encode(text, addSpecialTokens: false).Ids, folder);
        }
    }

    [TestMethod]
    public void RandomTokensToo()
    {
        SharedData.RequireFolder(SharedData.Models);
        foreach (string folder in Tokenization.Shared.Folders(SharedData.Models, "tokenizer.json"))
        {
            TextTokenizer tokenizer = TextTokenizer.Load(folder);
            var random = new SplitMix64(1);
            for (int i = 0; i < 50; i++)
                CheckPieces(tokenizer, [.. Enumerable.Range(0, 40).Select(_ => random.Next(Math.Min(400, tokenizer.VocabularySize)))], folder);
        }
    }

    [TestMethod]
    public void BytesWaitForTheirCharacterAndForWhatMayUndoIt()
    {
        using var folder = new TemporaryFolder();
        var text = new Detokenizer(folder.Load(ByteFallback));
        Assert.AreEqual("a", text.Add(5));
        Assert.AreEqual("", text.Add(2));
        Assert.AreEqual("", text.Add(3), "another byte may follow, and undo the whole run");
        Assert.AreEqual("é", text.Pending);
        Assert.AreEqual("éb", text.Add(6));
        Assert.AreEqual("", text.Add(2) + text.Add(3) + text.Add(4));
        Assert.AreEqual("\uFFFD\uFFFD\uFFFD a", text.Add(5));
        Assert.AreEqual("", text.Add(0), "special tokens have no text");
        Assert.AreEqual("", text.Add(2));
        Assert.AreEqual("\uFFFD", text.Finish());
    }

    /// <summary>A first token loses its space, and a byte may belong to a character that began before: what stands before says it.</summary>
    [TestMethod]
    public void TextBehindATokenIsWhatThatTokenLacks()
    {
        using var folder = new TemporaryFolder();
        TextTokenizer tokenizer = folder.Load(ByteFallback);
        Assert.AreEqual("a", Detokenizer.TextOf([5], tokenizer, before: null));
        Assert.AreEqual(" a", Detokenizer.TextOf([5], tokenizer, before: 6));
        Assert.AreEqual("b", Detokenizer.TextOf([3, 6], tokenizer, before: 2), "the character is there already, as one that is not whole");
        Assert.AreEqual("\uFFFD", Detokenizer.TextOf([2], tokenizer, before: 6));
    }

    [TestMethod]
    public void TheBeginningOfAStopStringIsHeldBack()
    {
        using var folder = new TemporaryFolder();
        TextTokenizer tokenizer = folder.Load(ByteFallback);
        var goesOn = new TextStream(tokenizer, ["b stop", "nowhere"]);
        Assert.AreEqual("a", goesOn.Add(5));
        Assert.AreEqual("", goesOn.Add(6) + goesOn.Add(7) + goesOn.Add(8));
        Assert.AreEqual("b stst", goesOn.Add(8));
        Assert.AreEqual("b", goesOn.Add(6) + goesOn.Finish());

        var stops = new TextStream(tokenizer, ["b stop", "\n"]);
        Assert.AreEqual("a", string.Concat(new[] { 5, 6, 7, 8, 9 }.Select(stops.Add)));
        Assert.IsTrue(stops.Stopped);
        Assert.AreEqual("", stops.Finish());

        var newline = new TextStream(tokenizer, ["\n"]);
        Assert.AreEqual("a", newline.Add(5) + newline.Add(1));
        Assert.IsTrue(newline.Stopped, "a newline that is a byte token stops at once");
    }

    [TestMethod]
    public void StopStringsEndRowsWithAndWithoutBeams()
    {
        using var folder = new TemporaryFolder();
        TextTokenizer tokenizer = folder.Load(ByteFallback);
        foreach (int beams in new[] { 1, 2 })
        {
            GenerationSettings settings = GenerationSettings.Resolve(new() { MaxNewTokens = 9, StopStrings = ["sto"], NumBeams = beams });
            GeneratedSequence found = TextGenerator.Generate(TableSession.Saying(10, 2, 5, 6, 8, 9, 6, 6), [[5, 5]], settings, tokenizer)[0][0];
            CollectionAssert.AreEqual(new[] { 5, 6, 8, 9 }, found.Ids);
            Assert.AreEqual(FinishReason.StopString, found.End);
            Assert.AreEqual("ab", TextGenerator.Text(found, tokenizer, settings));
        }
        GenerationSettings never = GenerationSettings.Resolve(new() { MaxNewTokens = 9, StopStrings = ["never"] });
        Assert.AreEqual(FinishReason.Length, TextGenerator.Generate(TableSession.Saying(10, 2, 5, 6), [[5, 5]], never, tokenizer)[0][0].End);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextGenerator.Generate(TableSession.Saying(10, 1, 5), [[5]], never)).Message, "tokenizer");
    }

    [TestMethod]
    public async Task AStreamGivesPiecesAndTheReasonOfItsEnd()
    {
        using var folder = new TemporaryFolder();
        GenerationSettings settings = GenerationSettings.Resolve(new() { MaxNewTokens = 9, StopStrings = ["stop"] });
        List<TextPiece> pieces = [];
        await foreach (TextPiece piece in TextGenerator.StreamAsync(TableSession.Saying(10, 1, 5, 6, 8, 9), [5], folder.Load(ByteFallback), settings))
            pieces.Add(piece);
        Assert.AreEqual("ab", string.Concat(pieces.Select(p => p.Text)));
        CollectionAssert.AreEqual(new FinishReason?[] { null, null, FinishReason.StopString }, pieces.Select(p => p.End).ToArray());
    }

    [TestMethod]
    public async Task AStreamIsCancelledAtTheNextTokenAndLeavesTheSession()
    {
        using var folder = new TemporaryFolder();
        TextTokenizer tokenizer = folder.Load(ByteFallback);
        GenerationSettings settings = GenerationSettings.Resolve(new() { MaxNewTokens = 1_000_000 });
        using var stop = new CancellationTokenSource();
        TableSession cancelled = TableSession.Saying(10, 1, 5, 6), left = TableSession.Saying(10, 1, 5, 6);
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (TextPiece _ in TextGenerator.StreamAsync(cancelled, [5], tokenizer, settings, stop.Token))
                await stop.CancelAsync();
        });
        await foreach (TextPiece _ in TextGenerator.StreamAsync(left, [5], tokenizer, settings))
            break;
        int steps = cancelled.RowsRead.Count + left.RowsRead.Count;
        await Task.Delay(50);
        Assert.AreEqual(steps, cancelled.RowsRead.Count + left.RowsRead.Count, "steps after the end");
    }

    [TestMethod]
    public async Task AFailureReachesTheReader()
    {
        using var folder = new TemporaryFolder();
        var session = new TableSession(tokens => tokens.Count < 3 ? [1, 0] : throw new InvalidOperationException("broken"));
        IAsyncEnumerable<TextPiece> stream = TextGenerator.StreamAsync(session, [5], folder.Load(ByteFallback), GenerationSettings.Resolve(new()));
        InvalidOperationException failure = await Assert.ThrowsExactlyAsync<InvalidOperationException>(async () => { await foreach (TextPiece _ in stream); });
        Assert.AreEqual("broken", failure.Message);
    }

    private static void CheckPieces(TextTokenizer tokenizer, int[] ids, string what)
    {
        var text = new Detokenizer(tokenizer);
        string whole = tokenizer.Decode(ids), given = "";
        foreach (int id in ids)
        {
            given += text.Add(id);
            Assert.IsTrue(whole.StartsWith(given, StringComparison.Ordinal), $"{what}: '{given}' is not how '{whole}' begins");
        }
        Assert.AreEqual(whole, given + text.Finish(), what);
    }
}
