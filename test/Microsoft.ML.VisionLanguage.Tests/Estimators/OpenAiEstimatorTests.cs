using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;
using Microsoft.ML.VisionLanguage.Models;
using Microsoft.ML.VisionLanguage.Tests.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

/// <summary>Estimators over a bare file of OpenAI's: what a folder would say besides comes from beside it, from an option, or from the file.</summary>
[TestClass]
public sealed class OpenAiEstimatorTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly OpenAiFolder _clip = new(network: false);

    private IDataView Rows => _context.Data.LoadFromEnumerable(PictureRow.Some(6).DistinctBy(row => row.Text));

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    public void PicturesNeedNoTokenizer()
    {
        DeleteTokenizer();
        ITransformer embedder = _context.VisionLanguage().ClipImageEmbedder(_clip.Weights).Fit(Rows);
        using var _ = (IDisposable)embedder;
        Assert.IsTrue(embedder.Transform(Rows).GetColumn<float[]>("Embedding").All(vector => vector.Length == OpenAiClip.Width));
    }

    [TestMethod]
    public void TextsWithoutATokenizerAreAnErrorThatSaysWhatToDo()
    {
        DeleteTokenizer();
        string message = Assert.ThrowsExactly<InvalidDataException>(() => _context.VisionLanguage().ClipFineTune(_clip.Weights).Fit(Rows)).Message;
        Assert.Contains("no tokenizer found", message);
        Assert.Contains("bpe_simple_vocab_16e6.txt.gz", message);
        Assert.Contains(nameof(ModelOptions.TokenizerFolder), message);
    }

    [TestMethod]
    public void ATokenizerMayLieElsewhere()
    {
        float[] beside = Scores(null);
        string elsewhere = Directory.CreateTempSubdirectory("tokenizer-").FullName;
        try
        {
            TinyClip.WriteTokenizer(elsewhere, endsLast: true);
            DeleteTokenizer();
            CollectionAssert.AreEqual(beside, Scores(elsewhere));
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }
        Assert.Contains(nameof(ModelOptions.TokenizerFolder), Assert.ThrowsExactly<DirectoryNotFoundException>(() => Scores(elsewhere)).Message);

        float[] Scores(string? tokenizer)
        {
            using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(Options(tokenizer)).Fit(Rows);
            return [.. model.Transform(Rows).GetColumn<float>("Score")];
        }
    }

    [TestMethod]
    public void WhateverReadsTextsByAnotherEstimatorTakesItToo()
    {
        string elsewhere = Directory.CreateTempSubdirectory("tokenizer-").FullName;
        try
        {
            TinyClip.WriteTokenizer(elsewhere, endsLast: true);
            DeleteTokenizer();
            VisionLanguageCatalog catalog = _context.VisionLanguage();
            IEstimator<ITransformer>[] estimators =
            [
                catalog.ClipZeroShotClassifier(new ClipZeroShotClassifier.Options { BaseModel = _clip.Weights, TokenizerFolder = elsewhere, Labels = ["red", "blue"] }),
                catalog.ClipRetriever(new ClipRetriever.Options
                {
                    BaseModel = _clip.Weights, TokenizerFolder = elsewhere, Gallery = ClipModality.Text, Query = ClipModality.Image, IdColumnName = "Text",
                }),
            ];
            foreach (IEstimator<ITransformer> estimator in estimators)
            {
                ITransformer model = estimator.Fit(Rows);
                using var _ = (IDisposable)model;
                Assert.IsGreaterThan(0, model.Transform(Rows).GetColumn<byte[]>("Image").Count());
            }
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }
    }

    [TestMethod]
    public void PicturesArePreparedAsOpenAiDoesUnlessAFileBesideSaysOtherwise()
    {
        PictureSettings settings = Read();
        Assert.AreEqual((OpenAiClip.Side, OpenAiClip.Side, OpenAiClip.Side), (settings.ShortestEdge, settings.Height, settings.Width));
        Assert.AreEqual(0.48145466, settings.Mean[0]);
        File.WriteAllText(Path.Combine(_clip.Folder, PictureSettings.FileName), """{"size": 32, "do_center_crop": false, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}""");
        Assert.AreEqual((null, 0.0), (Read().ShortestEdge, Read().Mean[0]));

        PictureSettings Read()
        {
            var (json, description) = CheckpointFolder.ReadFile(_clip.Weights, PictureSettings.FileName)!.Value;
            return PictureSettings.Parse(json, description);
        }
    }

    [TestMethod]
    public void AFileThatAnArchiveRefersToIsFoundAgain()
    {
        string archive = Path.Combine(_clip.Folder, "model.zip");
        ClipFineTune.Options options = Options();
        options.EmbedBase = false;
        using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(options).Fit(Rows);
        _context.Model.Save(model, Rows.Schema, archive);
        using var loaded = (PeftTransformer)_context.Model.Load(archive, out _);
        CollectionAssert.AreEqual(model.Transform(Rows).GetColumn<float>("Score").ToArray(), loaded.Transform(Rows).GetColumn<float>("Score").ToArray());
        File.Delete(_clip.Weights);
        Assert.Throws<Exception>(() => _context.Model.Load(archive, out _));
    }

    [TestMethod]
    public void WhatIsMergedIsAHuggingFaceFolder()
    {
        using var scope = NewDisposeScope();
        string merged = Path.Combine(_clip.Folder, "merged");
        using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(Options()).Fit(Rows);
        model.SaveMergedModel(merged);
        Assert.IsTrue(File.Exists(Path.Combine(merged, HfConfig.FileName)) && File.Exists(Path.Combine(merged, PictureSettings.FileName)));
        TensorAssert.Close(TowerAnswers.Of((TwoTowerModel)model.Scorer.Model.Model), TowerAnswers.Of(merged), 1e-5, 1e-5, "merged");
    }

    private ClipFineTune.Options Options(string? tokenizer = null) => new()
    {
        BaseModel = _clip.Weights, TokenizerFolder = tokenizer, Training = new TrainingOptions { MaxEpochs = 1, BatchSize = 4, LearningRate = 1e-2 },
    };

    private void DeleteTokenizer()
    {
        foreach (string file in Directory.GetFiles(_clip.Folder, "tokenizer*"))
            File.Delete(file);
    }
}
