using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Folders of a LLaMA of any shape in bf16 and of a LoRA adapter on it, with random values, written tensor by tensor.</summary>
public sealed class LlamaFiles(int hidden, int intermediate, int layers, int vocabulary = 32000)
{
    private const int Rank = 16;

    private static readonly string[] s_attention = ["q_proj", "k_proj", "v_proj", "o_proj"], s_up = ["gate_proj", "up_proj"];

    private IEnumerable<(string Module, long Outputs, long Inputs)> Projections() =>
        from layer in Enumerable.Range(0, layers)
        let path = $"model.layers.{layer}."
        from module in s_attention.Select(p => (Module: path + "self_attn." + p, Outputs: (long)hidden, Inputs: (long)hidden))
            .Concat(s_up.Select(p => (Module: path + "mlp." + p, Outputs: (long)intermediate, Inputs: (long)hidden)))
            .Append((Module: path + "mlp.down_proj", Outputs: hidden, Inputs: intermediate))
        select module;

    /// <summary>Writes the model.</summary>
    public void WriteModel(string folder)
    {
        using (var tiny = new TinyDecoder(change: Resize))
        {
            Directory.CreateDirectory(folder);
            foreach (string file in Directory.GetFiles(tiny.Folder).Where(file => Path.GetExtension(file) == ".json"))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
        (config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]) = (hidden, intermediate, layers);
        (config["num_attention_heads"], config["num_key_value_heads"], config["vocab_size"]) = (hidden / 128, hidden / 128, vocabulary);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        ShardedWriter.Write(folder, [.. Weights()], ShardedWriter.DefaultShardBytes);

        static void Resize(JsonObject config) => config["num_hidden_layers"] = 1;
    }

    private IEnumerable<PlannedTensor> Weights()
    {
        static PlannedTensor Bf16(string name, params long[] shape) =>
            new(name, ScalarType.BFloat16, shape, () => rand(shape, ScalarType.Float32).to(ScalarType.BFloat16));
        yield return Bf16("model.embed_tokens.weight", vocabulary, hidden);
        yield return Bf16("lm_head.weight", vocabulary, hidden);
        yield return Bf16("model.norm.weight", hidden);
        foreach (int layer in Enumerable.Range(0, layers))
        {
            yield return Bf16($"model.layers.{layer}.input_layernorm.weight", hidden);
            yield return Bf16($"model.layers.{layer}.post_attention_layernorm.weight", hidden);
        }
        foreach (var (module, outputs, inputs) in Projections())
            yield return Bf16(module + ".weight", outputs, inputs);
    }

    /// <summary>Writes an adapter of all its linear layers.</summary>
    public void WriteAdapter(string folder)
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
}
