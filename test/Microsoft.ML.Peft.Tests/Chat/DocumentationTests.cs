using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Chat;

/// <summary>The code of docs/chat.md compiles: its lines stand here.</summary>
[TestClass]
public sealed partial class DocumentationTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere()
    {
        string[] here = Lines(File.ReadAllText(Path.Combine(
            RepositoryFolder.Root, "test", "Microsoft.ML.Peft.Tests", nameof(Chat), nameof(DocumentationTests) + ".cs")));
        string page = File.ReadAllText(Path.Combine(RepositoryFolder.Root, "docs", "chat.md"));
        Match[] blocks = [.. Code().Matches(page).Cast<Match>()];
        Assert.IsNotEmpty(blocks);
        foreach (Match block in blocks)
            StringAssert.Contains(string.Join('\n', here), string.Join('\n', Lines(block.Groups[1].Value)));
    }

    internal static async Task Chat()
    {
        using var client = new PeftChatClient("models/smollm2", new PeftChatClientOptions
        {
            Adapters = { ["pirate"] = "adapters/pirate" },
        });
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Who wrote Faust?", new ChatOptions { Temperature = 0 }))
            Console.Write(update.Text);

        ChatResponse answer = await client.GetResponseAsync("And Hamlet?", new ChatOptions { AdditionalProperties = new() { ["adapter"] = "pirate" } });
        Console.WriteLine($"{answer.Text} ({answer.Usage!.OutputTokenCount} tokens)");
    }

    internal static async Task Embed(PeftTransformer transformer, IServiceCollection services)
    {
        using PeftChatClient trained = transformer.AsChatClient();
        using var generator = new PeftEmbeddingGenerator("models/minilm");
        GeneratedEmbeddings<Embedding<float>> vectors = await generator.GenerateAsync(["good film", "bad film"]);
        services.AddPeftChatClient("models/smollm2", options => options.MaxConcurrentRequests = 8);
        services.AddPeftEmbeddingGenerator("models/minilm");
        Assert.HasCount(2, vectors);
    }

    private static string[] Lines(string text) => [.. text.Split('\n').Select(line => line.Trim()).Where(line => line != "")];

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();
}
