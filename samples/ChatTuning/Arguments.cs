using Samples;

namespace ChatTuning;

/// <summary>The command line.</summary>
internal sealed class Arguments(CommandLineValues values)
{
    private const int UsualRows = 480;

    public static CommandLine Line { get; } = new(
        "Teaches a decoder prompts and their completions, shows what it answers before and after, and lets you talk to it.",
        new("model", "PATH", "the folder of a Hugging Face decoder with a chat template, or a .gguf file (SmolLM2 where it lies beside the repository)"),
        new("data", "FILE", "your own pairs: tab-separated, column names in the first line (E2E, or the API documentation of the .NET SDK)"),
        new("prompt", "COLUMN", "the column of prompts in --data (prompt)"),
        new("completion", "COLUMN", "the column of completions in --data (completion)"),
        new("rows", "NUMBER", $"training rows at most ({UsualRows})"),
        new("method", "lora|qlora", "qlora keeps the base in 4 bits and tunes every linear layer (lora)"),
        new("chat", "FILE", "talk to a saved model instead of training one"));

    /// <summary>The folder of a decoder with a chat template, or its .gguf file; null for SmolLM2 where it lies beside the repository.</summary>
    public string? Model { get; } = values.ExistingModel("model");

    /// <summary>A tab-separated file; null for the E2E data where they lie beside the repository, else the API documentation.</summary>
    public string? Data { get; } = values.ExistingFile("data");

    public string Prompt { get; } = values.Get("prompt") ?? "prompt";

    public string Completion { get; } = values.Get("completion") ?? "completion";

    /// <summary>Training rows at most.</summary>
    public int Rows { get; } = values.Number("rows", UsualRows);

    /// <summary>
    /// <c>lora</c> on the attention's queries and values, or <c>qlora</c>: the base in 4 bits, LoRA on every linear layer, and the memory
    /// that this takes.
    /// </summary>
    public bool Quantizes { get; } = values.Get("method") switch
    {
        null or "lora" => false,
        "qlora" => true,
        var other => throw new ArgumentException($"--method is '{other}'; known are lora and qlora."),
    };

    /// <summary>A saved model to talk to; null to train one first.</summary>
    public string? Chat { get; } = values.ExistingFile("chat");
}
