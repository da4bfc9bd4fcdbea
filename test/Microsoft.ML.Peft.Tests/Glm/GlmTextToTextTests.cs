using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>GLM from prompt to completion, which fills a blank at the prompt's end or the one in it: learnt and written from text over each kind of tokenizer, small ones and real ones.</summary>
[TestClass]
public sealed class GlmTextToTextTests : IDisposable
{
    private static readonly Completed[] s_rows = [new("the film is", "very good"), new("a book is", "not a poor film"), new("the [MASK] is bad", "great book"), new("a very fine [gMASK]", "film and book")];

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"glm-text-{Guid.NewGuid():N}");

    public static IEnumerable<object[]> Kinds => TinyGlm.Kinds.Select(kind => new object[] { kind });

    public void Dispose()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void CompletionsAreLearntAndWritten(string kind)
    {
        using var glm = new TinyGlm(kind);
        LearnAndWrite(glm.Folder, fromScratch: false);
    }

    /// <summary>The vocabularies of GPT-2 and of BERT, and a SentencePiece model, grown by what they lack.</summary>
    [TestMethod]
    [DataRow("gpt2", false), DataRow("bert-base-uncased", false), DataRow("sentencepiece-unigram", true)]
    public void CompletionsAreLearntAndWrittenOverRealVocabularies(string tokenizer, bool ofParity)
    {
        string source = SharedData.Require(ofParity ? SharedData.Parity : SharedData.Data, "tokenizers", tokenizer);
        GlmFolder.Create(_folder, new GlmShape { HiddenSize = 32, Layers = 2, Heads = 2, MaxLength = 32, Dropout = 0 }, source);
        LearnAndWrite(_folder, fromScratch: true);
    }

    /// <summary>Several completions of a prompt, by beams; a blank that a prompt has at its end is the one that is put there.</summary>
    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void SeveralCompletionsAreWritten(string kind)
    {
        using var glm = new TinyGlm(kind);
        var options = new GenerationOptions { MaxNewTokens = 5, NumBeams = 3, NumReturnSequences = 2 };
        using PeftTransformer model = _ml.Peft().Generate(glm.Folder, generation: options).Fit(Prompts("the film", "the film is [MASK] good"));
        VBuffer<ReadOnlyMemory<char>>[] texts = [.. model.Transform(Prompts("the film", "the film[gMASK]", "the film is [MASK] good")).GetColumn<VBuffer<ReadOnlyMemory<char>>>("GeneratedText")];
        Assert.IsTrue(texts.All(text => text.Length == 2));
        Assert.AreEqual(Joined(texts[0]), Joined(texts[1]));
        Exception refused = Assert.Throws<Exception>(() => model.Transform(Prompts("[MASK] and [MASK]")).GetColumn<VBuffer<ReadOnlyMemory<char>>>("GeneratedText").ToArray());
        Assert.Contains("2 blanks", refused.GetBaseException().Message);
    }

    private void LearnAndWrite(string folder, bool fromScratch)
    {
        using PeftTransformer model = _ml.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = folder, StartFromScratch = fromScratch, Task = PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 24 }),
            Training = new TrainingOptions { MaxEpochs = 50, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(_ml.Data.LoadFromEnumerable(Enumerable.Repeat(s_rows, 8).SelectMany(row => row)));
        string[] written = [.. model.Transform(Prompts([.. s_rows.Select(row => row.Prompt)])).GetColumn<string>("GeneratedText")];
        CollectionAssert.AreEqual(s_rows.Select(row => row.Completion).ToArray(), written.Select(text => text.Trim()).ToArray(), string.Join(" | ", written));
    }

    private static string Joined(VBuffer<ReadOnlyMemory<char>> texts) => string.Join('|', texts.DenseValues().Select(text => text.ToString()));

    private IDataView Prompts(params string[] prompts) => _ml.Data.LoadFromEnumerable(prompts.Select(prompt => new PromptRow(prompt)));

    private sealed record PromptRow(string Prompt);

    private sealed record Completed(string Prompt, string Completion);
}
