using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Models;

/// <summary>LLaMA 1 to 3 (Touvron et al. 2023) and what shares its shape (SmolLM2, TinyLlama).</summary>
internal sealed class Llama(HfConfig config, WeightScope root) : LlamaDecoder(config, root, Sizes(config))
{
    private static LlamaConfig Sizes(HfConfig config)
    {
        bool bias = config.Bool("attention_bias", false);
        return LlamaConfig.From(config) with { InputBias = bias, OutputBias = bias, FeedForwardBias = config.Bool("mlp_bias", false) };
    }
}
