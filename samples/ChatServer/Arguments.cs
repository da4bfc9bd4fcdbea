using Microsoft.AspNetCore.Http;
using Microsoft.ML.Peft;
using Samples;

namespace ChatServer;

/// <summary>The command line.</summary>
internal sealed class Arguments
{
    private const string Model = "MODEL", Adapter = "NAME=ADAPTER";

    public static CommandLine Line { get; } = new(
        $"Serves a model as OpenAI's API has it. {Model} is the folder of a Hugging Face decoder with a chat template, or a .gguf file "
        + "(SmolLM2 where it lies beside the repository); an adapter is a PEFT folder, which clients choose by giving its name as the model.",
        new CommandLineOption("urls", "URLS", "where it listens, several with ; between them (http://localhost:5000)"))
    {
        Positional = $"[{Model}] [{Adapter} ...]",
    };

    private readonly List<KeyValuePair<string, string>> _adapters = [];

    public Arguments(CommandLineValues values)
    {
        if (values.Get("urls") is { } urls)
        {
            foreach (string url in urls.Split(';'))
                _ = BindingAddress.Parse(url);
            ForHost = ["--urls", urls];
        }
        string? model = null;
        foreach (string given in values.Positional)
        {
            if (given.Split('=', 2) is [var name, var folder])
                _adapters.Add(new(name, CommandLineValues.Existing($"adapter {name}", folder, Directory.Exists)));
            else if (model is null)
                model = CommandLineValues.Existing(Model, given, Path.Exists);
            else
                throw new ArgumentException($"'{given}' is a second model after '{model}'; an adapter is {Adapter}.");
        }
        Folder = model ?? Beside() ?? throw new ArgumentException(
            $"No {Model} is given: the folder of a Hugging Face decoder with a chat template, or a .gguf file (--help says more).");
    }

    /// <summary>The model: a folder or a .gguf file.</summary>
    public string Folder { get; }

    /// <summary>What ASP.NET reads itself.</summary>
    public string[] ForHost { get; } = [];

    public void Configure(PeftChatClientOptions options)
    {
        foreach (var (name, folder) in _adapters)
            options.Adapters.Add(name, folder);
    }

    // SmolLM2, where it lies beside the repository.
    private static string? Beside()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string model = Path.Combine(folder.FullName, "..", "shared", "data", "models", "smollm2-135m-instruct");
            if (File.Exists(Path.Combine(folder.FullName, "Extensions.sln")))
                return Directory.Exists(model) ? model : null;
        }
        return null;
    }
}
