using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>
/// One small archive of each kind, of random weights of our own, as it was written once, with what it answered. Written by
/// <c>dotnet Microsoft.ML.Peft.Tests.dll write-archives FOLDER</c> of the version in question.
/// </summary>
internal static class EarlierArchives
{
    private const string BaseName = "tiny-bert";

    /// <summary>Each kind, and the column that it answers in.</summary>
    public static IReadOnlyDictionary<string, (string Column, Func<MLContext, string, PeftTransformer> Make, Func<MLContext, IDataView> Rows)> Kinds { get; } =
        new Dictionary<string, (string, Func<MLContext, string, PeftTransformer>, Func<MLContext, IDataView>)>
        {
            ["classifier"] = ("Score", (ml, folder) => Classifier(ml, folder, embed: true), Reviews),
            ["referenced-base"] = ("Score", (ml, folder) => Classifier(ml, folder, embed: false), Reviews),
            ["embedder"] = ("Embedding", (ml, folder) => ml.Peft().Embed(folder).Fit(Reviews(ml)), Reviews),
            ["generator-nf4"] = ("GeneratedText", Generator, Prompts),
            // Of the second format: tasks and bases are several, keys name their assemblies.
            ["classifier-2"] = ("Score", (ml, folder) => Classifier(ml, folder, embed: true), Reviews),
        };

    public static void Write(string[] arguments)
    {
        string target = Directory.CreateDirectory(arguments[0]).FullName;
        using var bert = new TinyBert();
        string folder = Path.Combine(target, BaseName);
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(bert.Folder))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        // Wide enough for blocks of 64.
        using var decoder = new TinyDecoder(change: config => (config["hidden_size"], config["intermediate_size"]) = (64, 64));
        foreach (var (name, kind) in Kinds)
        {
            var ml = TestDevice.NewContext(seed: 1);
            using PeftTransformer model = kind.Make(ml, name.StartsWith("generator", StringComparison.Ordinal) ? decoder.Folder : folder);
            ml.Model.SaveAtomically(model, kind.Rows(ml).Schema, Path.Combine(target, name + ".zip"));
            File.WriteAllText(Path.Combine(target, name + ".json"), Answers(model.Transform(kind.Rows(ml)), kind.Column).ToJsonString());
        }
    }

    public static JsonNode Answers(IDataView scored, string column) => JsonSerializer.SerializeToNode(Table.Read(scored, column))!;

    private static IDataView Reviews(MLContext ml) => Review.Load(ml, 8);

    private static IDataView Prompts(MLContext ml) => ml.Data.LoadFromEnumerable(
        new[] { "once", "and then", "x" }.Select(prompt => new Pair { Prompt = prompt, Completion = prompt + "!" }));

    private static PeftTransformer Classifier(MLContext ml, string folder, bool embed) => ml.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = folder, Task = PeftTask.TextClassification(), EmbedBase = embed, Training = { MaxEpochs = 4, BatchSize = 8, LearningRate = 1e-2 },
    }).Fit(Review.Load(ml));

    private static PeftTransformer Generator(MLContext ml, string folder) => ml.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = folder, Task = PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 8 }),
        Quantization = new QuantizationOptions(), Training = { MaxEpochs = 2, BatchSize = 2, LearningRate = 1e-2 },
    }).Fit(Prompts(ml));

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }
}
