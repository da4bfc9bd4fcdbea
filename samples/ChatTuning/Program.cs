using ChatTuning;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Samples;

// dotnet run -c Release --project samples/ChatTuning -- --data pairs.tsv --prompt question --completion answer
// dotnet run -c Release --project samples/ChatTuning -- --method qlora --model smollm2.gguf
const int Shown = 3;

// Memory goes back to the system, as the estimate takes for granted.
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

return await Arguments.Line.RunAsync(args, async values =>
{
    var arguments = new Arguments(values);
    using ChatModel model = ChatModel.Load(arguments.Chat ?? Train(arguments));
    await ChatAsync(model);
});

static string Train(Arguments arguments)
{
    string baseModel = PairData.Model(arguments);
    IReadOnlyList<LabelledText> pairs = PairData.Load(arguments);
    DataSplit data = DataSplit.Of(pairs, arguments.Rows);
    Console.WriteLine($"{pairs.Count:N0} pairs; used (--rows {arguments.Rows} is the cap): {data.Train.Count:N0} to train, {data.Validation.Count:N0} to validate.");
    LabelledText[] asked = [.. data.Test.DistinctBy(row => row.Text).Take(Shown)];
    string[] before = Ask(ChatModel.OfBase(baseModel), asked);

    var ml = new MLContext(seed: 1);
    bool quantizes = arguments.Quantizes;
    string method = quantizes ? "QLoRA" : "LoRA";
    TrainingEstimate estimate = ChatModel.Estimate(ml, baseModel, quantizes, data);
    Console.WriteLine(estimate);
    PeftTransformer tuned = null!;
    IReadOnlyList<TrainingProgress> run = [];
    long peak = PeakMemory.Of(() => run = LiveProgress.Show(method, progress => tuned = ChatModel.Train(ml, baseModel, quantizes, data, progress)));
    Console.WriteLine($"Memory at the peak of {method}: {peak / 1e6:F0} MB more than before, {estimate.PeakMemoryBytes / 1e6:F0} MB were estimated.");
    string saved = Path.Combine(AppContext.BaseDirectory, "chat.zip");
    using (tuned)
        ChatModel.Save(ml, tuned, saved);
    Console.WriteLine($"Saved: {saved} ({new FileInfo(saved).Length / 1e6:F1} MB). "
        + $"Loss curve: {LossChart.Save(run, "Perplexity", $"{method}, rank 8", Path.ChangeExtension(saved, ".png"))}");

    string[] after = Ask(ChatModel.Load(saved), asked);
    foreach (var ((row, was), now) in asked.Zip(before).Zip(after))
        Console.WriteLine($"\n{row.Text}\n  before: {OneLine(was)}\n  after:  {OneLine(now)}\n  a human: {row.Label}");
    return saved;
}

static string[] Ask(ChatModel model, LabelledText[] asked)
{
    using (model)
        return [.. asked.Select(row => model.Predict(row.Text))];
}

static string OneLine(string text) => text.Trim().ReplaceLineEndings(" / ");

static async Task ChatAsync(ChatModel model)
{
    Console.WriteLine("\nTalk to it; /new begins another chat, an empty line ends.");
    List<ChatMessage> chat = [];
    while (ReadTurn() is { Length: > 0 } said)
    {
        if (said == "/new")
        {
            chat.Clear();
            continue;
        }
        chat.Add(new ChatMessage(ChatRole.User, said));
        string answer = "";
        await foreach (string piece in model.StreamAsync(chat))
        {
            Console.Write(piece);
            answer += piece;
        }
        Console.WriteLine();
        chat.Add(new ChatMessage(ChatRole.Assistant, answer));
    }
}

static string? ReadTurn()
{
    Console.Write("> ");
    return Console.ReadLine()?.Trim();
}
