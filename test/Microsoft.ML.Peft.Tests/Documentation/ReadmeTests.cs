using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of the README compiles: its lines stand here, but for the program, which <see cref="Packaging.OutsiderTests"/> builds and runs.</summary>
[TestClass]
public sealed class ReadmeTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(ReadmeTests), "README.md");

    [TestMethod]
    public void WhatTheServerRunsIsTheCommandOfThePage()
    {
        string command = File.ReadLines(Path.Combine(SharedData.Repository, ".ci", "run")).Last(line => line.Length > 0);
        StringAssert.Contains(File.ReadAllText(Path.Combine(SharedData.Repository, "README.md")).ReplaceLineEndings("\n"), $"```\n{command}\n```");
    }

    internal static async Task Write(MLContext ml, IDataView pairs, IDataView questions)
    {
        var task = PeftTask.TextGeneration("Prompt", "Completion", generation: new GenerationOptions { MaxNewTokens = 100 });
        PeftTransformer writer = ml.Peft().Lora("models/smollm2", task, rank: 8).Fit(pairs);
        foreach (string text in writer.Transform(questions).GetColumn<string>("GeneratedText"))
            Console.WriteLine(text);

        using IChatClient chat = writer.AsChatClient();
        await foreach (ChatResponseUpdate piece in chat.GetStreamingResponseAsync("Who wrote Faust?"))
            Console.Write(piece.Text);
    }
}
