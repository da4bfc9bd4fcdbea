using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Sixteen clients at once, each asking one thing after another of SmolLM2 through <see cref="IChatClient"/>, beside one client alone.</summary>
internal sealed class ServeBenchmark : IBenchmark
{
    private const int Clients = 16, Questions = 2, Tokens = 48;

    private static readonly string[] s_topics = ["rivers", "bread", "the moon", "a lost key", "old trains", "bees", "snow in April", "a violin"];

    public string Name => "serve-16";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using var client = new PeftChatClient(Path.Combine(SharedData.Models, "smollm2-135m-instruct"));
        Serve(client, 1, 1);
        double alone = Serve(client, 1, Questions).TokensPerSecond;
        var (together, first) = Serve(client, Clients, Questions);
        Array.Sort(first);
        new Figure(Name, together / alone, "times one client's tokens a second", 3, null).Print(gflops);
        new Figure(Name + "/tokens", together, "tokens a second", null, null).Print(gflops);
        new Figure(Name + "/one-client", alone, "tokens a second", null, null).Print(gflops);
        new Figure(Name + "/first-token-p99", first[(int)Math.Ceiling(0.99 * first.Length) - 1], "seconds to the first token", null, null).Print(gflops);
    }

    private static (double TokensPerSecond, double[] FirstToken) Serve(IChatClient client, int clients, int questions)
    {
        long start = Stopwatch.GetTimestamp();
        double[][] first = Task.WhenAll(Enumerable.Range(0, clients).Select(i => Task.Run(() => Ask(client, i, questions)))).GetAwaiter().GetResult();
        return (clients * questions * Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds, [.. first.SelectMany(times => times)]);
    }

    private static async Task<double[]> Ask(IChatClient client, int number, int questions)
    {
        // Every answer has its full length, so that rates compare.
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = Tokens, RawRepresentationFactory = _ => new GenerationOptions { EosTokenIds = [] } };
        var first = new double[questions];
        for (int i = 0; i < questions; i++)
        {
            string topic = s_topics[(number + i) % s_topics.Length];
            ChatMessage[] messages = [new(ChatRole.User, $"{number}. Write {number + i + 2} sentences about {topic}.")];
            long start = Stopwatch.GetTimestamp();
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(messages, options))
                first[i] = first[i] == 0 ? Stopwatch.GetElapsedTime(start).TotalSeconds : first[i];
        }
        return first;
    }
}
