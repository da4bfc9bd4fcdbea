using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Checkpoints;

/// <summary>Of what an open_clip model may be made here. What would change its answers and is not known is refused by its name.</summary>
internal static class OpenClipParts
{
    // What the towers are built of otherwise, each with the value that asks for nothing.
    private static readonly Dictionary<string, string> s_anyTower = new()
    {
        ["ls_init_value"] = "null", ["block_type"] = "null|\"default\"", ["qk_norm"] = "false", ["scaled_cosine_attn"] = "false", ["scale_heads"] = "false",
        ["scale_attn_inner"] = "false", ["scale_attn"] = "false", ["scale_fc"] = "false", ["output_tokens"] = "true|false", ["final_ln_after_pool"] = "true|false",
    };

    private static readonly Dictionary<string, string> s_vision = new(s_anyTower)
    {
        ["attentional_pool"] = "false", ["no_ln_pre"] = "false", ["pool_type"] = "\"tok\"", ["timm_model_name"] = "null|\"\"",
    };

    private static readonly Dictionary<string, string> s_text = new(s_anyTower)
    {
        ["text_arch"] = "\"clip\"", ["variable_text"] = "false", ["embed_cls"] = "false", ["no_causal_mask"] = "false", ["pool_type"] = "\"argmax\"|\"eos\"",
        ["proj_type"] = "\"linear\"", ["proj_bias"] = "false", ["hf_model_name"] = "null|\"\"", ["tokenizer_kwargs"] = "null|{}",
    };

    // What is read, what is only for training, and what counts only beside a part that is refused.
    private static readonly HashSet<string> s_readOfModel = ["embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale", "output_dict"];

    private static readonly HashSet<string> s_readOfVision =
    [
        "layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size", "image_seq_len", "patch_dropout", "pos_embed_type", "act_kwargs", "norm_kwargs",
        "attn_pooler_queries", "attn_pooler_heads", "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path", "timm_model_kwargs",
    ];

    private static readonly HashSet<string> s_readOfText =
    [
        "context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "act_kwargs", "norm_kwargs", "pad_id", "bos_id", "eos_id", "hf_tokenizer_name",
        "tokenizer_mode", "tokenizer_type", "tiktoken_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type", "hf_model_config",
    ];

    /// <exception cref="NotSupportedException">The model has a part that is not known; the message names it.</exception>
    public static void Check(HfConfig model, HfConfig vision, HfConfig text, string file)
    {
        if (vision.String("timm_model_name", "") is { Length: > 0 } timm)
            throw new NotSupportedException($"{file}: the picture tower is timm's '{timm}' (timm_model_name); only open_clip's own towers are read.");
        if (text.String("hf_model_name", "") is { Length: > 0 } huggingFace)
            throw new NotSupportedException($"{file}: the text tower is Hugging Face's '{huggingFace}' (hf_model_name); only open_clip's own towers are read.");
        Check(model, [], s_readOfModel, $"{file}: model_cfg");
        Check(vision, s_vision, s_readOfVision, $"{file}: vision_cfg");
        Check(text, s_text, s_readOfText, $"{file}: text_cfg");
    }

    private static void Check(HfConfig section, Dictionary<string, string> allowed, HashSet<string> read, string where)
    {
        foreach (var (key, value) in JsonNode.Parse(section.Json)!.AsObject())
        {
            string found = JsonSerializer.Serialize(value);
            if (!read.Contains(key) && value is not null && !allowed.GetValueOrDefault(key, "").Split('|').Contains(found))
            {
                throw new NotSupportedException(allowed.TryGetValue(key, out string? known)
                    ? $"{where}: '{key}' is {found}, which is not read; known is {known.Replace("|", " or ", StringComparison.Ordinal)}."
                    : $"{where}: '{key}' ({found}) is not known, and may change what the model answers.");
            }
        }
    }
}
