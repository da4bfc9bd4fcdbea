using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>Fits whose memory is estimated and measured: models of some 20 million weights, batches of 1024 tokens.</summary>
internal static class EstimateCases
{
    public const int Length = 256, BatchSize = 4;

    public static Dictionary<string, Func<MLContext, string, FineTuneEstimator>> Fits { get; } = new()
    {
        ["full"] = (context, folder) => context.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = folder, Task = Task(), MaxLength = Length, Training = Training(),
        }),
        ["lora"] = (context, folder) => Lora(context, folder, new LoraOptions()),
        ["lora-all-linear"] = (context, folder) => Lora(context, folder, new LoraOptions { TargetModules = [LoraOptions.AllLinear], Dropout = 0.1 }),
        ["lora-checkpointing"] = (context, folder) => Lora(context, folder, new LoraOptions(), checkpointing: true),
        ["qlora"] = (context, folder) => context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder, Task = Task(), MaxLength = Length, Quantization = new() { DoubleQuantization = true },
            Lora = new LoraOptions { TargetModules = [LoraOptions.AllLinear], Rank = 16, Dropout = 0.1 },
            Training = Training(checkpointing: true, TrainingOptimizer.PagedAdamW32Bit),
        }),
        ["probe"] = (context, folder) => context.Peft().LinearProbe(new LinearProbe.Options
        {
            BaseModel = folder, Task = PeftTask.TextClassification(), MaxLength = Length, Training = Training(),
        }),
        ["classify"] = (context, folder) => Lora(context, folder, new LoraOptions(), task: PeftTask.TextClassification()),
    };

    public static void Grow(JsonObject config)
    {
        (string Key, int Value)[] sizes = config["model_type"]!.GetValue<string>() == "gpt2"
            ? [("n_embd", 512), ("n_layer", 6), ("n_head", 8), ("n_positions", Length)]
            : [("hidden_size", 512), ("num_hidden_layers", 6), ("num_attention_heads", 8), ("num_key_value_heads", 4), ("intermediate_size", 1408), ("max_position_embeddings", Length)];
        foreach (var (key, value) in sizes)
            config[key] = value;
        config["vocab_size"] = 8192;
        config["initializer_range"] = 0.02;
    }

    /// <summary>Three batches of texts of the full length.</summary>
    public static IDataView Rows(MLContext context) => context.Transforms.Conversion.MapValueToKey("Label").Fit(Data(context)).Transform(Data(context));

    private static IDataView Data(MLContext context) => context.Data.LoadFromEnumerable(
        Enumerable.Range(0, 3 * BatchSize).Select(i => new Row { Text = new string((char)('a' + i), Length - 1), Label = i % 2 == 0 ? "even" : "odd" }));

    private static LoraFineTune Lora(MLContext context, string folder, LoraOptions lora, bool checkpointing = false, PeftTask? task = null) =>
        context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder, Task = task ?? Task(), MaxLength = Length, Lora = lora, Training = Training(checkpointing),
        });

    private static PeftTask Task() => PeftTask.CausalLanguageModelling();

    private static TrainingOptions Training(bool checkpointing = false, TrainingOptimizer optimizer = TrainingOptimizer.AdamW) =>
        new() { BatchSize = BatchSize, MaxEpochs = 1, GradientCheckpointing = checkpointing, Optimizer = optimizer };

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
