using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/clip.md compiles: its lines stand here.</summary>
[TestClass]
public sealed class ClipPageTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(ClipPageTests), "docs/clip.md");

    internal static async Task ZeroShot(MLContext ml, string model, IDataView photos, IDataView labelled, IDataView pairs, IDataView gallery, IDataView questions, IDataView embedded)
    {
        var pipeline = ml.VisionLanguage().ClipZeroShotClassifier(model, ["cat", "dog", "goldfish"], ClipTemplates.ImageNet, topK: 2)
            .Append(ml.Transforms.Conversion.MapKeyToValue("Answer", "PredictedLabel"));
        ITransformer classifier = pipeline.Fit(photos);
        ml.Model.SaveAtomically(classifier, photos.Schema, "pets.zip");

        var known = ml.Transforms.Conversion.MapValueToKey("Label").Fit(labelled).Transform(labelled);
        var options = new ClipZeroShotClassifier.Options { BaseModel = model, LabelColumnName = "Label" };
        ITransformer judged = ml.VisionLanguage().ClipZeroShotClassifier(options).Fit(known);
        MulticlassClassificationMetrics metrics = ml.MulticlassClassification.Evaluate(judged.Transform(known), topKPredictionCount: 5);
        Console.WriteLine($"{metrics.MicroAccuracy}, among the first five {metrics.TopKAccuracy}");

        IDataView vectors = ml.VisionLanguage().ClipImageEmbedder(model, outputColumnName: "ImageEmbedding").Fit(pairs).Transform(pairs);
        IDataView scored = ml.VisionLanguage().ClipImageTextScorer(model).Fit(pairs).Transform(pairs);

        using var ofTexts = ClipEmbeddingGenerators.ForTexts(new() { BaseModel = model });
        using var ofPictures = ClipEmbeddingGenerators.ForImages(new() { BaseModel = model });
        var text = await ofTexts.GenerateVectorAsync("two yellow flowers");
        var picture = await ofPictures.GenerateVectorAsync(new DataContent(File.ReadAllBytes("flowers.jpg"), "image/jpeg"));

        ITransformer search = ml.VisionLanguage().ClipRetriever(model, gallery: ClipModality.Image, query: ClipModality.Text, topK: 5).Fit(gallery);
        IDataView found = search.Transform(questions);
        foreach (string[] ids in found.GetColumn<string[]>("Ids"))
            Console.WriteLine(string.Join(", ", ids));

        RetrievalMetrics both = ml.VisionLanguage().EvaluateRetrieval(embedded, embedded, "TextEmbedding", "ImageEmbedding", idColumnName: "Id", depths: [1, 5, 10]);
        Console.WriteLine($"recall@5 {both.RecallAt(5)}, median rank {both.MedianRank}, mAP {both.MeanAveragePrecision}");
        RetrievalMetrics searched = ml.VisionLanguage().EvaluateRetrieval(found, idColumnName: "Id");
    }

    internal static void FineTune(MLContext ml, string model, IDataView train, IDataView validation, IDataView held)
    {
        var options = new ClipFineTune.Options
        {
            BaseModel = model,
            Towers = ClipTowers.Both,
            Adapter = new LoraOptions { Rank = 8 },
            ValidationSet = validation,
            Training = new TrainingOptions { BatchSize = 1024, MiniBatchSize = 32, MaxEpochs = 5 },
        };
        using var tuned = (PeftTransformer)ml.VisionLanguage().ClipFineTune(options).Fit(train);

        options.ZeroShot = new ZeroShotCheck { Data = held, LabelColumnName = "Label", Templates = ["a photo of a {}."] };
        options.WiseFt = new WiseFtOptions();
        using var kept = (PeftTransformer)ml.VisionLanguage().ClipFineTune(options).Fit(train);
        ForgettingReport report = kept.Training!.Forgetting!;
        Console.WriteLine($"{report.ZeroShotBefore} before, {report.ZeroShotAfter} after, with {report.Share} of what was learnt");
    }

    internal static void Probes(MLContext ml, IDataView train, IDataView test, IDataView validation)
    {
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.VisionLanguage().ClipLinearProbe("models/clip-vit-base-patch32"))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        pipeline.Fit(train);

        FewShotCurve curve = ml.VisionLanguage().ClipFewShot(train, test, "models/clip-vit-base-patch32", options: new() { ValidationSet = validation });
        foreach (FewShotResult result in curve.Results)
            Console.WriteLine(result);               // 4 a class, seed 2: accuracy 0.8125 after 20 rows, C = 0.1
        IDataView rows = curve.ToDataView();         // Shots, Seed, TrainingRows, Accuracy, C
        Console.WriteLine(rows.Schema);

        using var model = (PeftTransformer)ml.VisionLanguage().ClipCoOp("models/clip-vit-base-patch32", initialText: "a photo of a", maxEpochs: 50).Fit(train);
    }
}
