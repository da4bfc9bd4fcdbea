using ClipIcons;
using Microsoft.AspNetCore.Http;
using Samples;

namespace ClipPage;

/// <summary>The command line.</summary>
internal sealed class Arguments
{
    public static CommandLine Line { get; } = new(
        "A page on which a picture is dropped and labels are typed: how well each label fits, and which pictures lie nearest. Without a model one is trained on "
        + "Material icons first, in minutes, and kept.",
        new("model", "FOLDER", "a CLIP as Hugging Face has it: config.json, weights, tokenizer and preprocessor_config.json (the model of icons)"),
        new("data", "FOLDER", "pictures to look among, a folder for each class (the icons; with --model the flowers where they lie beside the repository)"),
        new("epochs", "NUMBER", $"times that the model of icons sees each ({IconTraining.UsualEpochs})"),
        new("urls", "URLS", "where it listens, several with ; between them (http://localhost:5000)"));

    public Arguments(CommandLineValues values)
    {
        (Model, Epochs) = (values.ExistingModel("model"), values.Number("epochs", IconTraining.UsualEpochs));
        if (Model is not null && values.Get("epochs") is not null)
            throw new ArgumentException("--epochs is for the model of icons, which --model stands for.");
        Data = Model is null && values.Get("data") is null ? null : PictureFolder.Of(values.Get("data"));
        if (values.Get("urls") is not { } urls)
            return;
        foreach (string url in urls.Split(';'))
            _ = BindingAddress.Parse(url);
        ForHost = ["--urls", urls];
    }

    /// <summary>The folder of a CLIP; null for the model of icons.</summary>
    public string? Model { get; }

    /// <summary>A folder of pictures for each class; null for the icons.</summary>
    public string? Data { get; }

    public int Epochs { get; }

    /// <summary>What ASP.NET reads itself.</summary>
    public string[] ForHost { get; } = [];
}
