using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Checkpoints;

/// <summary>
/// CLIP as OpenAI's own code has it: one file with the tensors (a TorchScript module, or a state dict), and no configuration. Sizes are those of the
/// tensors, as openai/CLIP derives them.
/// </summary>
internal sealed class OpenAiClipLayout : CheckpointLayout
{
    // Of heads, everywhere in these models.
    private const int HeadSize = 64;

    // The sides of a picture shrink so often on the way through the residual network.
    private const int Reduction = 32;

    private static readonly string[] s_extensions = [".pt", ".pth", ".bin", ".safetensors"];

    private static readonly string[] s_names = ["model.safetensors", "pytorch_model.bin"];

    public override string Key => "openai-clip";

    public override ForeignCheckpoint? Find(string path)
    {
        if (FileOf(path) is not { } weights)
            return null;
        using ITensorSource file = CheckpointFolder.OpenFile(weights);
        string prefix = ClipNames.PrefixOf(file.Names);
        if (!file.Names.Contains(prefix + ClipNames.FirstKernel) || !file.Names.Contains(prefix + ClipNames.Tokens))
            return null;
        Dictionary<string, StoredTensor> tensors = ClipNames.Map(file);
        HfConfig config = HfConfig.Parse(new Shapes(file, tensors).Config().ToJsonString(), $"{weights} (sizes of its tensors)");
        bool hasPictures = File.Exists(Path.Combine(CheckpointFolder.FolderOf(path), PictureSettings.FileName));
        return new ForeignCheckpoint
        {
            WeightsFile = weights,
            Config = config,
            Tensors = tensors,
            Files = hasPictures ? new Dictionary<string, byte[]>() : new Dictionary<string, byte[]>
            {
                [PictureSettings.FileName] = Encoding.UTF8.GetBytes(ClipPictures.Settings(config.Section("vision_config").Int("image_size")).ToJsonString()),
            },
        };
    }

    /// <summary>The file that is meant by a path: itself, or the one in a folder; null where there is none.</summary>
    /// <exception cref="InvalidDataException">The folder has several.</exception>
    private static string? FileOf(string path)
    {
        if (File.Exists(path))
            return s_extensions.Contains(Path.GetExtension(path).ToLowerInvariant()) ? path : null;
        if (!Directory.Exists(path))
            return null;
        string[] found = [.. Directory.GetFiles(path, "*.pt").Order(StringComparer.Ordinal)];
        return found.Length <= 1
            ? found.FirstOrDefault() ?? s_names.Select(name => Path.Combine(path, name)).FirstOrDefault(File.Exists)
            : throw Malformed.File(path, "one .pt file (name the file itself to choose)", string.Join(", ", found.Select(Path.GetFileName)));
    }

    /// <summary>What a configuration would say, by the tensors' shapes.</summary>
    private sealed class Shapes(ITensorSource file, Dictionary<string, StoredTensor> tensors)
    {
        private const string Text = "text_model.", Vision = "vision_model.", Layers = "encoder.layers.";

        public JsonObject Config()
        {
            int hidden = Size($"{Text}final_layer_norm.weight", 0);
            return new JsonObject
            {
                ["model_type"] = "clip",
                ["architectures"] = new JsonArray("CLIPModel"),
                ["projection_dim"] = Size("text_projection.weight", 0),
                ["text_config"] = Tower(Text, hidden, new JsonObject
                {
                    ["vocab_size"] = Size($"{Text}embeddings.token_embedding.weight", 0),
                    ["max_position_embeddings"] = Size($"{Text}embeddings.position_embedding.weight", 0),
                    // Read at the highest id.
                    ["eos_token_id"] = 2,
                }),
                ["vision_config"] = tensors.ContainsKey("visual_projection.weight") ? Transformer() : Network(),
            };
        }

        private JsonObject Transformer()
        {
            int hidden = Size($"{Vision}embeddings.patch_embedding.weight", 0), patch = Size($"{Vision}embeddings.patch_embedding.weight", 3);
            return Tower(Vision, hidden, new JsonObject
            {
                ["patch_size"] = patch,
                ["image_size"] = patch * Side($"{Vision}embeddings.position_embedding.weight"),
            });
        }

        private JsonObject Network()
        {
            int width = Size($"{Vision}layer1.0.conv1.weight", 0);
            return new JsonObject
            {
                ["layers"] = new JsonArray([.. Enumerable.Range(1, 4).Select(stage => (JsonNode)Count($"{Vision}layer{stage}."))]),
                ["width"] = width,
                ["num_attention_heads"] = width * Reduction / HeadSize,
                ["image_size"] = Reduction * Side($"{Vision}attnpool.positional_embedding"),
            };
        }

        private JsonObject Tower(string tower, int hidden, JsonObject config)
        {
            config["hidden_size"] = hidden;
            config["num_hidden_layers"] = Count($"{tower}{Layers}");
            config["num_attention_heads"] = hidden / HeadSize;
            config["intermediate_size"] = Size($"{tower}{Layers}0.mlp.fc1.weight", 0);
            config["hidden_act"] = "quick_gelu";
            return config;
        }

        // How many modules stand numbered below a path.
        private int Count(string path) => tensors.Keys.Where(name => name.StartsWith(path, StringComparison.Ordinal))
            .Select(name => name[path.Length..].Split('.')[0]).Distinct().Count();

        private int Side(string positions)
        {
            int patches = Size(positions, 0) - 1, side = (int)Math.Round(Math.Sqrt(Math.Max(0, patches)));
            return side > 0 && side * side == patches ? side : throw Malformed.Tensor(
                file.Description, tensors[positions].Name, "a position for each place of a square, and one more", $"{patches + 1}");
        }

        private int Size(string name, int dimension)
        {
            StoredTensor tensor = tensors.TryGetValue(name, out StoredTensor? found) ? found : throw Malformed.File(
                file.Description, $"all of CLIP's tensors in OpenAI's layout", $"none for '{name}'");
            long[] stored = file.ShapeOf(tensor.Name);
            long[] shape = tensor.Refuses(stored) is null ? tensor.ShapeOf(stored) : [];
            return dimension < shape.Length && shape[dimension] is > 0 and <= int.MaxValue ? (int)shape[dimension] : throw Malformed.Tensor(
                file.Description, tensor.Name, $"a size in dimension {dimension}", Malformed.Shape(stored));
        }
    }
}
