using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Merging a LoRA adapter into a LLaMA of the given shape in bf16, beside reading and writing its files.</summary>
internal sealed class MergeBenchmark(string name, int hidden, int intermediate, int layers) : IBenchmark
{
    private const int Rank = 16, Vocabulary = 32000;

    private static readonly string[] s_attention = ["q_proj", "k_proj", "v_proj", "o_proj"], s_up = ["gate_proj", "up_proj"];

    public string Name => name;

    public void Run()
    {
        string folder = Directory.CreateTempSubdirectory("peft-merge").FullName;
        try
        {
            string model = Path.Combine(folder, "model"), adapter = Path.Combine(folder, "adapter");
            WriteModel(model);
            WriteAdapter(adapter);
            double copy = Seconds(() => Copy(model, Path.Combine(folder, "copy")));
            Directory.Delete(Path.Combine(folder, "copy"), recursive: true);
            long before = AnonymousMemory.Now(), peak = before;
            double merge = Seconds(() =>
            {
                Task task = Task.Run(() => new MLContext().Peft().MergeAdapter(model, adapter, Path.Combine(folder, "merged")));
                while (!task.Wait(10))
                    peak = Math.Max(peak, AnonymousMemory.Now());
            });
            new Figure(Name, merge / copy, "times reading and writing the files", 1.3, copy).Print(0);
            new Figure(Name + "/memory", (peak - before) / 1048576.0, "MB of anonymous memory", 1024, null).Print(0);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private IEnumerable<(string Module, long Outputs, long Inputs)> Projections() =>
        from layer in Enumerable.Range(0, layers)
        let path = $"model.layers.{layer}."
        from module in s_attention.Select(p => (Module: path + "self_attn." + p, Outputs: (long)hidden, Inputs: (long)hidden))
            .Concat(s_up.Select(p => (Module: path + "mlp." + p, Outputs: (long)intermediate, Inputs: (long)hidden)))
            .Append((Module: path + "mlp.down_proj", Outputs: hidden, Inputs: intermediate))
        select module;

    private void WriteModel(string folder)
    {
        using (var tiny = new TinyDecoder(change: Resize))
        {
            Directory.CreateDirectory(folder);
            foreach (string file in Directory.GetFiles(tiny.Folder).Where(file => Path.GetExtension(file) == ".json"))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
        (config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]) = (hidden, intermediate, layers);
        (config["num_attention_heads"], config["num_key_value_heads"], config["vocab_size"]) = (hidden / 128, hidden / 128, Vocabulary);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        ShardedWriter.Write(folder, [.. Weights()], ShardedWriter.DefaultShardBytes);

        static void Resize(JsonObject config) => config["num_hidden_layers"] = 1;
    }

    private IEnumerable<PlannedTensor> Weights()
    {
        static PlannedTensor Bf16(string name, params long[] shape) =>
            new(name, ScalarType.BFloat16, shape, () => rand(shape, ScalarType.Float32).to(ScalarType.BFloat16));
        yield return Bf16("model.embed_tokens.weight", Vocabulary, hidden);
        yield return Bf16("lm_head.weight", Vocabulary, hidden);
        yield return Bf16("model.norm.weight", hidden);
        foreach (int layer in Enumerable.Range(0, layers))
        {
            yield return Bf16($"model.layers.{layer}.input_layernorm.weight", hidden);
            yield return Bf16($"model.layers.{layer}.post_attention_layernorm.weight", hidden);
        }
        foreach (var (module, outputs, inputs) in Projections())
            yield return Bf16(module + ".weight", outputs, inputs);
    }

    private void WriteAdapter(string folder)
    {
        Directory.CreateDirectory(folder);
        JsonObject config = new()
        {
            ["peft_type"] = "LORA", ["r"] = Rank, ["lora_alpha"] = Rank,
            ["target_modules"] = new JsonArray([.. s_attention.Concat(s_up).Append("down_proj").Select(p => JsonValue.Create(p))]),
        };
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), config.ToJsonString());
        PlannedTensor Factor(string tensor, params long[] shape) => new("base_model.model." + tensor, ScalarType.Float32, shape, () => rand(shape));
        SafetensorsWriter.WriteFile(Path.Combine(folder, "adapter_model.safetensors"), [.. Projections().SelectMany(p => new[]
        {
            Factor(p.Module + ".lora_A.weight", Rank, p.Inputs), Factor(p.Module + ".lora_B.weight", p.Outputs, Rank),
        })]);
    }

    private static void Copy(string folder, string target)
    {
        Directory.CreateDirectory(target);
        var buffer = new byte[1 << 20];
        foreach (string file in Directory.GetFiles(folder))
        {
            using FileStream source = File.OpenRead(file), copy = File.Create(Path.Combine(target, Path.GetFileName(file)));
            for (int read; (read = source.Read(buffer)) > 0;)
                copy.Write(buffer, 0, read);
            copy.Flush(flushToDisk: true);
        }
    }
}
