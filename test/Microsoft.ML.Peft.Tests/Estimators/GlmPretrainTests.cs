using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>GLM's pretraining: it learns, it goes on to the bit, what it leaves is a model folder, and what cannot be is said.</summary>
[TestClass]
public sealed class GlmPretrainTests : IDisposable
{
    private readonly UntrainedGlm _glm = new();
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("glm-pretrain-").FullName;

    [TestMethod]
    public void ItLearnsWhatBlanksHide()
    {
        GlmPretrain.Options options = Options(epochs: 30);
        options.ValidationSet = UntrainedGlm.Load(_context, 16);
        options.Training.EvaluateEvery = 10;
        using PeftTransformer model = _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context));
        IReadOnlyList<TrainingEpoch> measured = [.. model.Training!.History.Where(epoch => epoch.Validation is not null)];
        double[] accuracy = [.. measured.Select(epoch => epoch.Validation![TrainingMetrics.BlankAccuracy])];
        double[] perplexity = [.. measured.Select(epoch => epoch.Validation![TrainingMetrics.Perplexity])];
        Console.WriteLine($"{string.Join(' ', accuracy)}; {string.Join(' ', perplexity)}");
        Assert.IsGreaterThan(0.8, accuracy[^1]);
        Assert.IsLessThan(3, perplexity[^1]);
        Assert.AreEqual(Math.Exp(measured[^1].Validation![TrainingMetrics.Loss]), perplexity[^1], 1e-9);
    }

    [TestMethod]
    public void AnInterruptedRunGoesOnToTheBit()
    {
        float[] whole = Perplexities(Options());
        using var source = new CancellationTokenSource();
        GlmPretrain.Options options = Options();
        options.Training.CheckpointFolder = _folder;
        options.Training.CancellationToken = source.Token;
        // In the middle of the second epoch of four batches.
        options.Training.Progress = new TinyRun.Callback(progress => Stop(progress.Step == 6, source));
        Assert.ThrowsExactly<OperationCanceledException>(() => _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context)));
        var steps = new List<int>();
        options = Options();
        options.Training.CheckpointFolder = _folder;
        options.Training.Progress = new TinyRun.Callback(progress => steps.Add(progress.Step));
        CollectionAssert.AreEqual(whole, Perplexities(options));
        Assert.AreEqual(7, steps[0]);
    }

    [TestMethod]
    public void OtherSharesAreAnotherRun()
    {
        using var source = new CancellationTokenSource();
        GlmPretrain.Options options = Options();
        options.Training.CheckpointFolder = _folder;
        options.Training.CancellationToken = source.Token;
        options.Training.Progress = new TinyRun.Callback(progress => Stop(progress.Step == 2, source));
        Assert.ThrowsExactly<OperationCanceledException>(() => _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context)));
        options = Options();
        options.Training.CheckpointFolder = _folder;
        options.Task = PeftTask.BlankInfilling(tokenShare: 1, documentShare: 0);
        Assert.Contains(
            "BlankInfillingTask.TokenShare was 0.5, is 1", Assert.ThrowsExactly<InvalidDataException>(() => _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context))).Message);
    }

    [TestMethod]
    public void CheckpointedBlocksLearnTheSame()
    {
        GlmPretrain.Options options = Options();
        options.Training.GradientCheckpointing = true;
        TinyRun.AreClose(Perplexities(Options()), Perplexities(options), 1e-4);
    }

    [TestMethod]
    public void WhatItLeavesIsPretrainedFurther()
    {
        string first = Path.Combine(_folder, "first"), second = Path.Combine(_folder, "second");
        float[] start = Train(_glm.Folder, 5e-3, first), further = Train(first, 5e-3, second);
        TinyRun.AreClose(start, Train(first, 1e-9, null), 1e-3);
        TinyRun.AreClose(further, Train(second, 1e-9, null), 1e-3);
        Assert.IsLessThan(start.Average(), further.Average());

        float[] Train(string from, double rate, string? to)
        {
            GlmPretrain.Options options = Options(epochs: 8);
            (options.BaseModel, options.StartFromScratch, options.Training.LearningRate) = (from, from == _glm.Folder, rate);
            using PeftTransformer model = _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context));
            if (to is not null)
                model.SaveMergedModel(to);
            return Score(model);
        }
    }

    [TestMethod]
    public void AZipScoresTheSame()
    {
        string file = Path.Combine(_folder, "model.zip");
        using PeftTransformer model = _context.Peft().GlmPretrain(Options()).Fit(UntrainedGlm.Load(_context));
        _context.Model.SaveAtomically(model, null, file);
        ITransformer loaded = _context.Model.LoadUnwrapped(file, out _);
        using var owned = (IDisposable)loaded;
        CollectionAssert.AreEqual(Score(model), Score(loaded));
    }

    [TestMethod]
    public void ATextIsScoredByTheSameBlanksWhereverItStands()
    {
        using PeftTransformer model = _context.Peft().GlmPretrain(Options()).Fit(UntrainedGlm.Load(_context));
        float[] all = Score(model);
        float[] last = [.. model.Transform(_context.Data.LoadFromEnumerable(UntrainedGlm.Texts(8).Skip(7).Select(text => new UntrainedGlm.Row { Text = text }))).GetColumn<float>("Perplexity")];
        Assert.AreEqual(all[7], last[0], 1e-3f);
    }

    [TestMethod]
    public void ALongTextIsOneRowAndATextWithoutWordsHasNoPerplexity()
    {
        using PeftTransformer model = _context.Peft().GlmPretrain(Options()).Fit(UntrainedGlm.Load(_context));
        string[] texts = [string.Join(' ', UntrainedGlm.Texts(8)), "", "The cat"];
        float[] found = [.. model.Transform(_context.Data.LoadFromEnumerable(texts.Select(text => new UntrainedGlm.Row { Text = text }))).GetColumn<float>("Perplexity")];
        Assert.HasCount(3, found);
        Assert.IsGreaterThan(1, found[0]);
        Assert.IsTrue(float.IsNaN(found[1]));
        Assert.IsGreaterThan(1, found[2]);
    }

    [TestMethod]
    public void ATokenizerOfAnotherModelGrowsByWhatItLacks()
    {
        using var bert = new TinyBert();
        string folder = Path.Combine(_folder, "of-bert");
        GlmFolder.Create(folder, new GlmShape { HiddenSize = 16, Layers = 1, Heads = 2, MaxLength = 16 }, bert.Folder);
        GlmPretrain.Options options = Options();
        options.BaseModel = folder;
        using PeftTransformer model = _context.Peft().GlmPretrain(options).Fit(Review.Load(_context, 16));
        Assert.IsTrue(model.Transform(Review.Load(_context, 4)).GetColumn<float>("Perplexity").All(float.IsFinite));
    }

    [TestMethod]
    public void AFolderWithoutTheRolesIsRefusedByName()
    {
        using var bert = new TinyBert();
        GlmPretrain.Options options = Options();
        options.TokenizerFolder = bert.Folder;
        string message = Assert.ThrowsExactly<NotSupportedException>(() => _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context))).Message;
        foreach (string role in new[] { "[sMASK]", "[gMASK]", "<|startofpiece|>", "<|endofpiece|>" })
            Assert.Contains(role, message);
    }

    [TestMethod]
    public void AnotherTaskIsRefused()
    {
        GlmPretrain.Options options = Options();
        options.Task = PeftTask.MaskedLanguageModelling();
        Assert.Contains("masked-language-modelling", Assert.ThrowsExactly<ArgumentException>(() => _context.Peft().GlmPretrain(options)).Message);
    }

    [TestMethod]
    public void ModelsThatFillNoBlanksAreRefused()
    {
        string folder = Path.Combine(_folder, "bert-with-roles");
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(_glm.Folder))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        using var bert = new TinyBert(change: config => config["vocab_size"] = 400);
        File.Copy(Path.Combine(bert.Folder, "config.json"), Path.Combine(folder, "config.json"), overwrite: true);
        GlmPretrain.Options options = Options();
        options.BaseModel = folder;
        Assert.Contains("fills no blanks", Assert.ThrowsExactly<NotSupportedException>(() => _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context))).Message);
    }

    [TestMethod]
    public void SharesThatDoNotAddUpAreRefused() =>
        Assert.Contains("1 together", Assert.ThrowsExactly<ArgumentException>(() => PeftTask.BlankInfilling(tokenShare: 0.5, sentenceShare: 0.2)).Message);

    [TestMethod]
    public void WhereNoTextHasTwoSentencesTheyCannotBeLeftOut()
    {
        GlmPretrain.Options options = Options();
        options.Task = PeftTask.BlankInfilling(tokenShare: 0, sentenceShare: 1, documentShare: 0);
        IDataView words = _context.Data.LoadFromEnumerable(Enumerable.Range(0, 8).Select(i => new UntrainedGlm.Row { Text = $"the cat sleeps on the mat" }));
        Assert.Contains(
            "no second sentence in any of the 8 texts", Assert.ThrowsExactly<InvalidOperationException>(() => _context.Peft().GlmPretrain(options).Fit(words)).Message);
        using PeftTransformer model = _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context));
        Assert.IsTrue(Score(model).All(float.IsFinite));
    }

    [TestMethod]
    public void ALengthThatLeavesNoWordIsRefused()
    {
        GlmPretrain.Options options = Options();
        options.MaxLength = 2;
        Assert.Contains("MaxLength is 2", Assert.ThrowsExactly<ArgumentException>(() => _context.Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context))).Message);
    }

    [TestMethod]
    public void SizesThatCannotBeAreRefused()
    {
        string folder = Path.Combine(_folder, "new");
        Assert.Contains("Heads is 5", Assert.ThrowsExactly<ArgumentException>(() => GlmFolder.Create(folder, new GlmShape { Heads = 5 }, ["a text"], 300)).Message);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GlmFolder.Create(folder, new GlmShape(), ["a text"], 100));
        Assert.Contains("no text", Assert.ThrowsExactly<ArgumentException>(() => GlmFolder.Create(folder, new GlmShape(), [], 300)).Message);
        Assert.IsFalse(Directory.Exists(folder));
        Assert.Contains("exists already", Assert.ThrowsExactly<IOException>(() => GlmFolder.Create(_glm.Folder, new GlmShape(), ["a text"], 300)).Message);
    }

    public void Dispose()
    {
        _glm.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static void Stop(bool now, CancellationTokenSource source)
    {
        if (now)
            source.Cancel();
    }

    private float[] Perplexities(GlmPretrain.Options options)
    {
        using PeftTransformer model = TestDevice.NewContext(seed: 1).Peft().GlmPretrain(options).Fit(UntrainedGlm.Load(_context));
        return Score(model);
    }

    private float[] Score(ITransformer model) => [.. model.Transform(UntrainedGlm.Load(_context, 8)).GetColumn<float>("Perplexity")];

    private GlmPretrain.Options Options(int epochs = 3) => new()
    {
        BaseModel = _glm.Folder,
        StartFromScratch = true,
        Training = new TrainingOptions { MaxEpochs = epochs, BatchSize = 16, LearningRate = 5e-3 },
    };
}
