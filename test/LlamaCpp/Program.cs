using System.Diagnostics;
using System.Globalization;
using LLama;
using LLama.Native;
using LlamaCpp;

// What a test or a benchmark asks of llama.cpp (TestSupport/LlamaCpp.cs): COMMAND ARGUMENTS, answered on standard output.
NativeLogConfig.llama_log_set((level, message) =>
{
    if (level == LLamaLogLevel.Error)
        Console.Error.Write(message);
});
NativeApi.llama_empty_call();
Dictionary<string, Action<string[]>> commands = new() { ["rank"] = Rank, ["convert"] = Convert, ["decode"] = Decode };
if (args.Length == 0 || !commands.TryGetValue(args[0], out Action<string[]>? run))
    throw new ArgumentException($"Expected one of {string.Join(", ", commands.Keys)}, found '{string.Join(' ', args)}'.");
run(args[1..]);

// MODEL ADAPTER|- PROMPTS COUNT: for each line of token ids in a file the likeliest next tokens, as id:logit.
static void Rank(string[] arguments)
{
    using var model = new LlamaModel(arguments[0], exact: true);
    if (arguments[1] != "-")
        model.Use(arguments[1]);
    foreach (string line in File.ReadLines(arguments[2]))
    {
        model.Forget();
        float[] logits = model.Read([.. line.Split(' ').Select(Number)]).ToArray();
        IEnumerable<int> best = Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).Take(Number(arguments[3]));
        Console.WriteLine(string.Join(' ', best.Select(id => string.Create(CultureInfo.InvariantCulture, $"{id}:{logits[id]:R}"))));
    }
}

// MODEL TARGET TYPE: the model with its weights in another type.
static void Convert(string[] arguments)
{
    if (!LLamaQuantizer.Quantize(arguments[0], arguments[1], arguments[2], allowRequantize: true))
        throw new InvalidOperationException($"'{arguments[0]}' could not be written as {arguments[2]}.");
}

// MODEL PROMPT TOKENS: tokens a second after a prompt of that length, and the bytes of the weights.
static void Decode(string[] arguments)
{
    const int WarmUp = 32, AnyToken = 100;
    using var model = new LlamaModel(arguments[0], exact: false);
    model.Read([.. Enumerable.Range(0, Number(arguments[1])).Select(i => 5 + i * 577 % 40000)]);
    for (int i = 0; i < WarmUp; i++)
        model.Read([AnyToken]);
    int tokens = Number(arguments[2]);
    long start = Stopwatch.GetTimestamp();
    for (int i = 0; i < tokens; i++)
        model.Read([AnyToken]);
    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokens / seconds:R} {model.Bytes}"));
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
