using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Models;

/// <summary>Qwen2 and Qwen2.5 (Yang et al. 2024): LLaMA's layers with biases before the attention, some with a window.</summary>
internal sealed class Qwen2(HfConfig config, WeightScope root) : LlamaDecoder(config, root, Sizes(config))
{
    private static LlamaConfig Sizes(HfConfig config) => LlamaConfig.From(config) with { InputBias = true, Window = WindowOf(config) };

    private static Func<int, int?> WindowOf(HfConfig config)
    {
        if (!config.Bool("use_sliding_window", false))
            return _ => null;
        int window = config.Int("sliding_window", 4096), first = config.Int("max_window_layers", 28);
        IReadOnlyList<string> types = config.Strings("layer_types");
        return layer => (types.Count > 0 ? types[layer] == "sliding_attention" : layer >= first) ? window : null;
    }
}
