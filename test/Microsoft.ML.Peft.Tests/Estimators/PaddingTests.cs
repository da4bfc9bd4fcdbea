using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Padding is masked: where its id has no row in the model's table, any row will do. Every other token needs one.</summary>
[TestClass]
public sealed class PaddingTests
{
    private const int Rows = 18;

    [TestMethod]
    [DataRow(-1, "[PAD]")]
    [DataRow(Rows, "[PAD]")]
    [DataRow(0, "[FILLER]")]
    [DataRow(Rows, "[FILLER]")]
    public void AnIdWithoutARowChangesNothing(int configId, string tokenizersToken)
    {
        IReadOnlyList<object> expected = Scores(0, "[PAD]");
        Table.AreClose(expected, Scores(configId, tokenizersToken), 1e-6, "scores");
    }

    [TestMethod]
    public void MasksAreDrawnWithinTheTable()
    {
        var context = TestDevice.NewContext(seed: 1);
        using TinyBert bert = Bert(Rows, "[FILLER]");
        using PeftTransformer model = context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = bert.Folder,
            Task = PeftTask.MaskedLanguageModelling(maskProbability: 0.9),
            Training = new TrainingOptions { MaxEpochs = 10, BatchSize = 8 },
        }).Fit(Review.Load(context));
        Assert.HasCount(41, Table.Read(model.Transform(Review.Load(context)), "PredictedTokens"));
    }

    [TestMethod]
    public void OtherTokensWithoutARowAreRefusedByName()
    {
        var context = TestDevice.NewContext(seed: 1);
        using TinyBert bert = Bert(0, "[PAD]");
        File.WriteAllText(Path.Combine(bert.Folder, "added_tokens.json"), $$"""{"<x>": {{Rows}}, "<y>": {{Rows + 1}} }""");
        IDataView data = Review.Load(context);
        IEstimator<ITransformer>[] doors =
        [
            Estimator(context, bert), context.Peft().Embed(bert.Folder, inputColumnName: "Text"),
        ];
        foreach (IEstimator<ITransformer> door in doors)
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(() => door.Fit(data)).Message;
            StringAssert.Contains(message, "'<x>' with the id 18 and 1 more");
            StringAssert.Contains(message, "18 rows");
        }

        using var decoder = new TinyDecoder();
        File.WriteAllText(Path.Combine(decoder.Folder, "added_tokens.json"), $$"""{"<x>": {{TinyDecoder.Vocabulary}} }""");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => new PeftChatClient(decoder.Folder)).Message, "'<x>'");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => new PeftEmbeddingGenerator(decoder.Folder)).Message, "'<x>'");
    }

    private static IReadOnlyList<object> Scores(int configId, string tokenizersToken)
    {
        var context = TestDevice.NewContext(seed: 1);
        using TinyBert bert = Bert(configId, tokenizersToken);
        IDataView data = Review.Load(context);
        using PeftTransformer model = Estimator(context, bert).Fit(data);
        return Table.Read(model.Transform(data), "Score");
    }

    private static LoraFineTune Estimator(MLContext context, TinyBert bert) => context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = bert.Folder,
        Task = PeftTask.TextClassification(),
        Training = new TrainingOptions { MaxEpochs = 2, BatchSize = 8, LearningRate = 1e-2 },
    });

    private static TinyBert Bert(int configId, string tokenizersToken)
    {
        var bert = new TinyBert(change: config => config["pad_token_id"] = 0);
        Change(bert, "config.json", json => json["pad_token_id"] = configId);
        Change(bert, "tokenizer_config.json", json => json["pad_token"] = tokenizersToken);
        return bert;
    }

    private static void Change(TinyBert bert, string file, Action<JsonObject> change)
    {
        string path = Path.Combine(bert.Folder, file);
        JsonObject json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }
}
