using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.VisionLanguage;
using Samples;

// All rows of a class, however many: the linear probe itself.
const int All = 1_000_000;
return new CommandLine(
    "Measures how far a few labelled pictures of each class go: linear probes over what a vision model says of them.",
    new CommandLineOption("data", "FOLDER", "a folder with train.tsv, validation.tsv and test.tsv: columns image (paths from the folder) and label"),
    new CommandLineOption("model", "FOLDER", "a CLIP as Hugging Face lays it out; without one the ResNet-18 of ML.NET's own package"))
    .Run(args, values => Measure(
        CommandLineValues.Existing("--data", values.Get("data") ?? throw new ArgumentException("--data is missing; --help says more."), Directory.Exists), values.ExistingModel("model")));

void Measure(string folder, string? clip)
{
    var clock = Stopwatch.StartNew();
    var ml = new MLContext(seed: 1);
    IDataView train = Pictures("train"), validation = Pictures("validation"), test = Pictures("test");
    var labels = ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(train);
    (train, validation, test) = (labels.Transform(train), labels.Transform(validation), labels.Transform(test));
    var options = new FewShotOptions { Shots = [1, 2, 4, 8, 16, All], Seeds = [1, 2, 3, 4, 5], ValidationSet = validation };
    FewShotCurve curve = clip is not null
        ? ml.VisionLanguage().ClipFewShot(train, test, clip, options: options)
        : WithResNet(options);
    foreach (var point in curve.Results.GroupBy(result => result.Shots))
    {
        double[] accuracies = [.. point.Select(result => result.Accuracy)];
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{(point.Key == All ? "all" : point.Key)} a class: accuracy {accuracies.Average():F3} ({string.Join(", ", accuracies.Select(accuracy => accuracy.ToString("F3", CultureInfo.InvariantCulture)))})"));
    }
    Console.WriteLine($"All of it: {clock.Elapsed:m\\:ss} min.");

    IDataView Pictures(string part)
    {
        IDataView rows = ml.Data.LoadFromTextFile<PictureRow>(Path.Combine(folder, part + ".tsv"), hasHeader: true);
        return ml.Transforms.CustomMapping<PictureRow, PicturePath>((row, path) => path.Image = Path.Combine(folder, row.File), contractName: null).Fit(rows).Transform(rows);
    }

    FewShotCurve WithResNet(FewShotOptions shots)
    {
        ITransformer resNet = ml.Transforms.LoadImages("Picture", null, "Image")
            .Append(ml.Transforms.ResizeImages("Picture", 224, 224))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Picture"))
            .Append(ml.Transforms.DnnFeaturizeImage("Features", model => model.ModelSelector.ResNet18(ml, model.OutputColumn, model.InputColumn), "Pixels"))
            .Fit(train);
        shots.ValidationSet = resNet.Transform(validation);
        return ml.VisionLanguage().FewShot(resNet.Transform(train), resNet.Transform(test), options: shots);
    }
}

/// <summary>A line of the files.</summary>
internal sealed class PictureRow
{
    [LoadColumn(0)]
    public string File { get; set; } = "";

    [LoadColumn(1)]
    public string Name { get; set; } = "";
}

/// <summary>Where its picture lies.</summary>
internal sealed class PicturePath
{
    public string Image { get; set; } = "";
}
