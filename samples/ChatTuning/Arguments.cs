using Samples;

namespace ChatTuning;

/// <summary>The command line.</summary>
internal sealed class Arguments(string[] args) : OptionPairs(args, "model", "data", "prompt", "completion", "rows", "chat", "method")
{
    /// <summary>The folder of a decoder with a chat template, or its .gguf file; null for SmolLM2 where it lies beside the repository.</summary>
    public string? Model => Get("model");

    /// <summary>A tab-separated file; null for the E2E data where they lie beside the repository, else the API documentation.</summary>
    public string? Data => Get("data");

    public string Prompt => Get("prompt") ?? "prompt";

    public string Completion => Get("completion") ?? "completion";

    /// <summary>Training rows at most; the default takes some three minutes on two cores.</summary>
    public int Rows => Number("rows", 480);

    /// <summary>
    /// <c>lora</c> on the attention's queries and values, or <c>qlora</c>: the base in 4 bits, LoRA on every linear layer, and the memory
    /// that this takes.
    /// </summary>
    /// <exception cref="ArgumentException">It is neither.</exception>
    public bool Quantizes => Get("method") switch
    {
        null or "lora" => false,
        "qlora" => true,
        var other => throw new ArgumentException($"--method is '{other}'; known are lora and qlora."),
    };

    /// <summary>A saved model to talk to; null to train one first.</summary>
    public string? Chat => Get("chat");
}
