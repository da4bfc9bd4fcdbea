using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Checkpoints;

/// <summary>
/// The names that OpenAI's code gives CLIP's tensors, and open_clip's after it, and those of the modules here, which are Hugging Face's. Queries, keys and
/// values are one matrix there, and the matrices into the common space are transposed.
/// </summary>
internal static class ClipNames
{
    public const string TextProjection = "text_projection", Positions = "positional_embedding", Tokens = "token_embedding.weight";
    public const string Visual = "visual.", VisualProjection = "visual.proj", FirstKernel = "visual.conv1.weight";

    /// <summary>What open_clip writes before the names of a text tower that is a module of its own.</summary>
    public const string TextPrefix = "text.";

    // What distributed training writes before all names.
    private const string ParallelPrefix = "module.";

    // A star stands for the rest of a name.
    private static readonly (string Stored, string Name)[] s_texts =
    [
        (Tokens, "text_model.embeddings.token_embedding.weight"), (Positions, "text_model.embeddings.position_embedding.weight"),
        ("transformer.resblocks.*", "text_model.encoder.layers.*"), ("ln_final.*", "text_model.final_layer_norm.*"), (TextProjection, "text_projection.weight"),
    ];

    private static readonly (string Stored, string Name)[] s_transformer =
    [
        ("visual.class_embedding", "vision_model.embeddings.class_embedding"), (FirstKernel, "vision_model.embeddings.patch_embedding.weight"),
        ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"), ("visual.ln_pre.*", "vision_model.pre_layrnorm.*"),
        ("visual.transformer.resblocks.*", "vision_model.encoder.layers.*"), ("visual.ln_post.*", "vision_model.post_layernorm.*"),
        (VisualProjection, "visual_projection.weight"),
    ];

    private static readonly (string Stored, string Name)[] s_network =
    [
        ("visual.conv*", "vision_model.conv*"), ("visual.bn*", "vision_model.bn*"), ("visual.layer*", "vision_model.layer*"), ("visual.attnpool.*", "vision_model.attnpool.*"),
    ];

    private static readonly (string Stored, string Name)[] s_numbers = [("logit_scale", "logit_scale"), ("logit_bias", "logit_bias")];

    private static readonly (string Stored, string Name)[] s_inLayers =
    [
        (".ln_1.", ".layer_norm1."), (".attn.out_proj.", ".self_attn.out_proj."), (".ln_2.", ".layer_norm2."), (".mlp.c_fc.", ".mlp.fc1."), (".mlp.c_proj.", ".mlp.fc2."),
    ];

    private static readonly string[] s_projections = ["q_proj", "k_proj", "v_proj"];

    // Sizes that the tensors' shapes say, counters, and the causal triangle.
    private static readonly string[] s_unread = ["input_resolution", "context_length", "vocab_size", ".num_batches_tracked", "attn_mask"];

    /// <summary>What the tensors' own names begin with besides: nothing as a rule.</summary>
    public static string PrefixOf(IReadOnlyCollection<string> names) =>
        names.Count > 0 && names.All(name => name.StartsWith(ParallelPrefix, StringComparison.Ordinal)) ? ParallelPrefix : "";

    /// <summary>Where each tensor of the model lies in a file.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="NotSupportedException">The file has a tensor that the model does not.</exception>
    public static Dictionary<string, StoredTensor> Map(ITensorSource file)
    {
        string prefix = PrefixOf(file.Names);
        var table = s_texts.Concat(file.Names.Contains(prefix + VisualProjection) ? s_transformer : s_network).Concat(s_numbers).ToArray();
        var tensors = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        foreach (string stored in file.Names.Where(name => !s_unread.Any(unread => name.EndsWith(unread, StringComparison.Ordinal))))
        {
            string own = stored[prefix.Length..];
            if (own.StartsWith(TextPrefix, StringComparison.Ordinal))
                own = own[TextPrefix.Length..];
            string name = Rename(own, table) ?? throw new NotSupportedException($"{file.Description}: tensor '{stored}' is none that CLIP's own towers have.");
            foreach (var (target, tensor) in Cut(name, stored, own is TextProjection or VisualProjection))
            {
                if (!tensors.TryAdd(target, tensor))
                    throw Malformed.Tensor(file.Description, stored, $"one tensor for '{target}'", $"'{tensors[target].Name}' too");
            }
        }
        return tensors;
    }

    private static string? Rename(string stored, (string Stored, string Name)[] table)
    {
        foreach (var (pattern, target) in table)
        {
            if (pattern[^1] != '*' ? stored != pattern : !stored.StartsWith(pattern[..^1], StringComparison.Ordinal))
                continue;
            string name = pattern[^1] != '*' ? target : target[..^1] + stored[(pattern.Length - 1)..];
            return s_inLayers.Aggregate(name, (renamed, part) => renamed.Replace(part.Stored, part.Name, StringComparison.Ordinal));
        }
        return null;
    }

    private static IEnumerable<(string Name, StoredTensor Tensor)> Cut(string name, string stored, bool isTransposed)
    {
        const string Fused = ".attn.in_proj_";
        int at = name.IndexOf(Fused, StringComparison.Ordinal);
        return at < 0
            ? [(name, new StoredTensor(stored) { IsTransposed = isTransposed })]
            : s_projections.Select((projection, part) => (
                $"{name[..at]}.self_attn.{projection}.{name[(at + Fused.Length)..]}", new StoredTensor(stored) { Rows = (part, s_projections.Length) }));
    }
}
