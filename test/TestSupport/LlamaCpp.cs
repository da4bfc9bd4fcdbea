using System.Globalization;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>llama.cpp through LLamaSharp, in a process of its own (test/LlamaCpp): another reader of our files, and a peer in speed.</summary>
public static class LlamaCpp
{
    private static readonly string s_project = Path.Combine(RepositoryFolder.Root, "test", "LlamaCpp");
    private static readonly Lazy<string> s_program = new(Build);

    /// <summary>The likeliest next tokens with their logits, best first, after each of several prompts.</summary>
    /// <param name="model">A .gguf file.</param>
    /// <param name="adapter">A LoRA adapter's .gguf file; null for the bare model.</param>
    /// <param name="prompts">Token ids.</param>
    /// <param name="count">How many tokens.</param>
    public static (int Id, float Logit)[][] Rank(string model, string? adapter, IEnumerable<int[]> prompts, int count)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(file, prompts.Select(ids => string.Join(' ', ids)));
            return [.. Run("rank", model, adapter ?? "-", file, $"{count}").Select(line => line.Split(' ').Select(Pair).ToArray())];
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Writes a .gguf file with its weights in another type, by llama.cpp's name: ALL_F32 or MOSTLY_F16, say.</summary>
    public static void Convert(string model, string target, string type) => Run("convert", model, target, type);

    /// <summary>Tokens a second of a text that is written on, with the bytes of the weights; as many threads as there are cores.</summary>
    /// <param name="model">A .gguf file.</param>
    /// <param name="prompt">Tokens that are read before.</param>
    /// <param name="tokens">Tokens that are timed.</param>
    public static (double TokensPerSecond, double Bytes) Decode(string model, int prompt, int tokens)
    {
        double[] numbers = [.. Run("decode", model, $"{prompt}", $"{tokens}").Single().Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return (numbers[0], numbers[1]);
    }

    private static (int, float) Pair(string text) =>
        text.Split(':') is [var id, var logit] ? (int.Parse(id, CultureInfo.InvariantCulture), float.Parse(logit, CultureInfo.InvariantCulture))
            : throw new InvalidDataException($"Expected id:logit, found '{text}'.");

    private static string[] Run(params string[] arguments) =>
        DotNetCommand.Run(s_project, ["exec", s_program.Value, .. arguments]).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static string Build()
    {
        DotNetCommand.Restore(s_project);
        DotNetCommand.Run(s_project, "build", "--no-restore", "-c", "Release", "-p:RunAnalyzers=false");
        return Path.Combine(s_project, "bin", "Release", "net10.0", "LlamaCpp.dll");
    }
}
