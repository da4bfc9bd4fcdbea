using System.Text.Json;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Training and scoring read the same prompt, and what is learnt is what the model then writes: for every kind of tokenizer, at every door.</summary>
[TestClass]
public sealed class JointTaskTests
{
    private static readonly MLContext s_ml = TestDevice.NewContext(seed: 1);

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Conversation
    {
        public string Messages { get; set; } = "";
    }

    public static IEnumerable<object[]> Pairs =>
        from kind in JointKinds.All
        from pair in new[] { ("a=", "b"), ("a=", " b"), ("a= ", "b"), ("a=", "=b"), ("a", "b"), ("a:", "\nb") }
        select new object[] { kind, pair.Item1, pair.Item2 };

    public static IEnumerable<object[]> Answers =>
        from kind in JointKinds.All from answer in new[] { "b", " b", "\nb", "b a" } select new object[] { kind, answer };

    public static IEnumerable<object[]> Kinds => JointKinds.All.Select(kind => new object[] { kind });

    [TestMethod]
    [DynamicData(nameof(Pairs))]
    public void CompletionsFollowThePromptThatScoringReads(string kind, string prompt, string completion)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        TaskRuntime task = PeftTask.TextGeneration().Bind(LabelSet.None, new TextProcessor(tokenizer), 64);
        IDataView data = s_ml.Data.LoadFromEnumerable([new Pair { Prompt = prompt, Completion = completion }]);
        Check(tokenizer, Read(task, data, withLabels: true), Read(task, data, withLabels: false).Ids, tokenizer.EncodeAfter(prompt, completion));
    }

    [TestMethod]
    [DynamicData(nameof(Answers))]
    public void AnswersFollowThePromptThatScoringAndChatsRead(string kind, string answer)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        TaskRuntime task = PeftTask.Chat().Bind(LabelSet.None, new TextProcessor(tokenizer), 64);
        Example learnt = Read(task, Chats(("user", "a"), ("assistant", answer)), withLabels: true);
        int[] prompt = Read(task, Chats(("user", "a")), withLabels: false).Ids;
        string text = tokenizer.ChatTemplate!.Render([new ChatTurn("user", "a")], addGenerationPrompt: true);
        Shared.AreEqual(tokenizer.Encode(text, addSpecialTokens: false).Ids, prompt, "a chat client's prompt");
        Check(tokenizer, learnt, prompt, tokenizer.EncodeAfter(text, answer));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AnAnswerInTheMiddleIsLearntWhole(string kind)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        TaskRuntime task = PeftTask.Chat().Bind(LabelSet.None, new TextProcessor(tokenizer), 64);
        Example learnt = Read(task, Chats(("user", "a"), ("assistant", "\nb"), ("user", "a"), ("assistant", "b")), withLabels: true);
        string said = string.Concat(learnt.Labels.Select(tokenizer.TokenOf)).Replace("Ċ", "\n", StringComparison.Ordinal).TrimStart('\n');
        Assert.AreEqual("b</s>b</s>", said.Replace("▁", "", StringComparison.Ordinal));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void WhatEndsAlreadyIsNotTaughtToEndTwice(string kind)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        int end = tokenizer.EosId!.Value;
        IDataView pair = s_ml.Data.LoadFromEnumerable([new Pair { Prompt = "a=", Completion = "b</s>" }]);
        IDataView text = s_ml.Data.LoadFromEnumerable([new Pair { Prompt = "a b</s>" }]);
        List<Example> examples =
        [
            Read(PeftTask.TextGeneration().Bind(LabelSet.None, new TextProcessor(tokenizer), 64), pair, withLabels: true),
            Read(PeftTask.Chat().Bind(LabelSet.None, new TextProcessor(tokenizer), 64), Chats(("user", "a"), ("assistant", "b</s>")), withLabels: true),
        ];
        // BERT's own template puts a separator behind every text.
        if (kind != JointKinds.WordPiece)
            examples.Add(Read(PeftTask.CausalLanguageModelling("Prompt").Bind(LabelSet.None, new TextProcessor(tokenizer), 64), text, withLabels: true));
        foreach (Example example in examples)
            Assert.AreEqual(1, example.Labels.Count(id => id == end), string.Join(' ', example.Labels));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void PackedTextsAreWholeTexts(string kind)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        TaskRuntime task = PeftTask.CausalLanguageModelling("Prompt").Bind(LabelSet.None, new TextProcessor(tokenizer), 64);
        IDataView data = s_ml.Data.LoadFromEnumerable([new Pair { Prompt = "a= b a = b ab" }, new Pair { Prompt = "b" }]);
        using RowSet rows = RowSet.Read(data, ["Prompt"], row => task.CreateReader(row, withLabels: true), () => { });
        Example packed = task.Pack(rows.Examples).Single();
        Shared.AreEqual([.. rows.Examples.SelectMany(example => example.Ids)], packed.Ids, "texts as they have tokens alone");
        Shared.AreEqual([0, rows.Examples[0].Length], packed.Starts, "starts");
    }

    private static void Check(TextTokenizer tokenizer, Example learnt, int[] prompt, Continuation answer)
    {
        Shared.AreEqual(prompt, learnt.Ids[..(learnt.ReadPositions[0] + 1)], "the prompt in training");
        Shared.AreEqual([.. answer.Ids, tokenizer.EosId!.Value], learnt.Labels, "what is learnt");
        Shared.AreEqual([.. Enumerable.Range(prompt.Length - 1, learnt.Labels.Length)], learnt.ReadPositions, "positions");
        Assert.AreEqual(answer.Splits, learnt.SplitsToken);
    }

    private static Example Read(TaskRuntime task, IDataView data, bool withLabels)
    {
        using RowSet rows = RowSet.Read(data, data.Schema.Select(column => column.Name), row => task.CreateReader(row, withLabels), () => { });
        return rows.Examples[0];
    }

    private static IDataView Chats(params (string Role, string Content)[] turns) => s_ml.Data.LoadFromEnumerable(
        [new Conversation { Messages = JsonSerializer.Serialize(turns.Select(turn => new { role = turn.Role, content = turn.Content })) }]);
}
