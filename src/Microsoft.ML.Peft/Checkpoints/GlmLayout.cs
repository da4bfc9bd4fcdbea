using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// GLM as THUDM's own code saves it (<c>mp_rank_00_model_states.pt</c>): the weights in one file, with or without <c>glm.</c> before their names, and no
/// configuration. Sizes are those of the tensors.
/// </summary>
internal sealed class GlmLayout : CheckpointLayout
{
    // Of heads, in all published sizes.
    private const int HeadSize = 64;

    private const string FileName = "mp_rank_00_model_states.pt", Prefix = "glm.", Tokens = "word_embeddings.weight", Blocks = "transformer.block_position_embeddings.weight",
        Layers = "transformer.layers.";

    public override string Key => "thudm-glm";

    public override ForeignCheckpoint? Find(string path)
    {
        string weights = File.Exists(path) ? path : Path.Combine(path, FileName);
        if (Path.GetFileName(weights) != FileName || !File.Exists(weights))
            return null;
        using ITensorSource file = CheckpointFolder.OpenFile(weights);
        string prefix = file.Names.Contains(Prefix + Tokens) ? Prefix : "";
        long[] tokens = Shape(file, prefix + Tokens), blocks = Shape(file, prefix + Blocks);
        int layers = file.Names.Where(name => name.StartsWith(prefix + Layers, StringComparison.Ordinal))
            .Select(name => name[(prefix + Layers).Length..].Split('.')[0]).Distinct().Count();
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("GLMModel"), ["model_type"] = "glm", ["vocab_size"] = tokens[0], ["hidden_size"] = tokens[1], ["num_layers"] = layers,
            ["num_attention_heads"] = tokens[1] / HeadSize, ["max_sequence_length"] = blocks[0] - 1,
        };
        return new ForeignCheckpoint
        {
            WeightsFile = weights,
            Config = HfConfig.Parse(config.ToJsonString(), $"{weights} (sizes of its tensors)"),
            Tensors = file.Names.ToDictionary(name => name, name => new StoredTensor(name), StringComparer.Ordinal),
        };
    }

    private static long[] Shape(ITensorSource file, string name) => file.Names.Contains(name) && file.ShapeOf(name) is { Length: 2 } shape ? shape : throw Malformed.File(
        file.Description, $"GLM's weights, among them the matrix '{name}'", file.Names.Contains(name) ? Malformed.Shape(file.ShapeOf(name)) : "none of the name");
}
