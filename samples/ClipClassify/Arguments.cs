using Samples;

namespace ClipClassify;

/// <summary>The command line.</summary>
internal sealed class Arguments(CommandLineValues values)
{
    public static CommandLine Line { get; } = new(
        "Classifies pictures by the names of the classes alone, with CLIP: nothing is trained. Says how often it is right, saves the model, and loads it in a new process.",
        new("model", "FOLDER", "a CLIP as Hugging Face has it: config.json, weights, tokenizer and preprocessor_config.json"),
        new("data", "FOLDER", "pictures, a folder for each class (the flowers where they lie beside the repository)"),
        new("templates", "one|imagenet", "what is said of a class: 'a photo of a CLASS.', or the 80 ways of CLIP's paper (imagenet)"),
        new("predict", "FILE", "classify the pictures of --data with a saved model instead of making one"));

    /// <exception cref="ArgumentException">None is named.</exception>
    public string Model { get; } = values.ExistingModel("model") ?? (values.Get("predict") is null ? throw new ArgumentException("Name a model: --model with the folder of a CLIP.") : "");

    /// <summary>A folder of pictures for each class.</summary>
    public string Data { get; } = PictureFolder.Of(values.Get("data"));

    /// <summary>Whether a label's vector is the mean over the paper's 80 templates.</summary>
    public bool Averages { get; } = values.Get("templates") switch
    {
        null or "imagenet" => true,
        "one" => false,
        var other => throw new ArgumentException($"--templates is '{other}'; known are one and imagenet."),
    };

    /// <summary>A saved model; null to make one.</summary>
    public string? Predict { get; } = values.ExistingFile("predict");
}
