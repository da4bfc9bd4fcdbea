using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of the README compiles: its lines stand here, but for the program, which <c>OutsiderTests</c> of Programs.Tests builds and runs.</summary>
[TestClass]
public sealed class ReadmeTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(ReadmeTests), "README.md");

    [TestMethod]
    public void WhatTheServerRunsIsTheCommandOfThePage()
    {
        string command = File.ReadLines(Path.Combine(RepositoryFolder.Root, ".ci", "run")).Last(line => line.Length > 0);
        StringAssert.Contains(File.ReadAllText(Path.Combine(RepositoryFolder.Root, "README.md")).ReplaceLineEndings("\n"), $"```\n{command}\n```");
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

    internal static void Classify()
    {
        var context = new MLContext();
        string[] files = Directory.GetFiles("photos");
        IDataView photos = context.Data.LoadFromEnumerable(files.Select(file => new { Image = file }));
        var zeroShot = context.VisionLanguage().ClipZeroShotClassifier("models/clip-vit-base-patch32", ["cat", "dog", "goldfish"], ClipTemplates.ImageNet)
            .Append(context.Transforms.Conversion.MapKeyToValue("Answer", "PredictedLabel"));
        ITransformer classifier = zeroShot.Fit(photos);
        foreach (var (file, answer) in files.Zip(classifier.Transform(photos).GetColumn<string>("Answer")))
            Console.WriteLine($"{answer}: {file}");
        context.Model.SaveAtomically(classifier, photos.Schema, "pets.zip");
    }
}
