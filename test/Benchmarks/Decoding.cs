using System.Diagnostics;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>SmolLM2 writing tokens one by one, here and in llama.cpp.</summary>
internal static class Decoding
{
    public const int Prompt = 64;

    private const int WarmUp = 32, Tokens = 128;

    public static string Folder { get; } = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    /// <summary>Its weights in 4 bits, as llama.cpp takes them.</summary>
    public static string File { get; } = Path.Combine(Folder, "model.Q4_1.gguf");

    /// <summary>Tokens a second behind a prompt.</summary>
    /// <param name="session">A session that has read nothing, which ends with this.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="prompt">Tokens of the prompt.</param>
    public static double TokensPerSecond(IDecodingSession session, int rows, int prompt = Prompt)
    {
        using IDecodingSession owned = session;
        using Tensor ids = randint(5, 30000, [rows, prompt], ScalarType.Int64);
        session.Read(ids, null).Dispose();
        long[] next = [.. Enumerable.Repeat(100L, rows)];
        for (int i = 0; i < WarmUp; i++)
            session.Next(next).Dispose();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Tokens; i++)
            session.Next(next).Dispose();
        return rows * Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>The same work in llama.cpp, beside ours.</summary>
    public static void PrintLlamaCpp(string name, string file, double ours, double gflops)
    {
        var (tokens, bytes) = LlamaCpp.Decode(file, Prompt, Tokens);
        new Figure(name, tokens, Unit(bytes), null, ours).Print(gflops);
    }

    /// <summary>Every weight is read once a token.</summary>
    public static string Unit(double bytes) => FormattableString.Invariant($"tokens a second, {bytes / 1e6:f0} MB read for each");
}
