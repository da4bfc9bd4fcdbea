using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using SmallModels;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a CLIP of a few thousand random weights, a tokenizer of a few words and picture settings, as Hugging Face lays it out.</summary>
public sealed class TinyClip : IDisposable
{
    public const int Width = 12, Side = 16;

    private const int LongestText = 10;

    /// <summary>How many words the tokenizer knows.</summary>
    public static int Words => s_words.Length;

    private static readonly string[] s_words =
    [
        .. SmallClip.Special, "red", "green", "blue", "a", "square", "stripes", "left", "right", "dark",
        // Numbers are labels too, which are told apart.
        .. Enumerable.Range(0, 13).Select(number => number.ToString(System.Globalization.CultureInfo.InvariantCulture)),
    ];

    public TinyClip(long seed = 1, Action<JsonObject>? change = null)
    {
        Folder = Directory.CreateTempSubdirectory("tiny-clip-").FullName;
        JsonObject config = new SmallClip(s_words, LongestText).Config(Width, Side, patch: 8, pictures: (24, 2), texts: (16, 2));
        config["initializer_range"] = 0.2;
        foreach (string tower in new[] { "text_config", "vision_config" })
            config[tower]!["intermediate_size"] = 2 * (int)config[tower]!["hidden_size"]!;
        change?.Invoke(config);
        SmallClip.Write(Folder, config, SmallClip.Pictures(Side, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]));
        WriteTokenizer(Folder);
        Registries.Shared.Include(typeof(VisionLanguageCatalog).Assembly);
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed);
        // By name, as Hugging Face's tools write: an archive then holds the very bytes, and sums over them the very bits.
        SafetensorsWriter.WriteFile(Path.Combine(Folder, "model.safetensors"), model.Weights.All.Concat(model.Weights.Constants).OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => (p.Name, p.Value)));
    }

    public string Folder { get; }

    public void Dispose()
    {
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Makes the configuration one of a SigLIP, whose towers are equally wide.</summary>
    public static void AsSiglip(JsonObject config)
    {
        (config["architectures"], config["model_type"]) = (new JsonArray("SiglipModel"), "siglip");
        foreach (string tower in new[] { "text_config", "vision_config" })
        {
            JsonObject own = config[tower]!.AsObject();
            (own["hidden_size"], own["intermediate_size"], own["hidden_act"]) = (Width, 2 * Width, "gelu_pytorch_tanh");
        }
        config["text_config"]!["pad_token_id"] = 1;
    }

    /// <summary>Writes the tokenizer alone.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="endsLast">Whether the end token has the highest id, as in OpenAI's vocabulary; else it has 1.</param>
    public static void WriteTokenizer(string folder, bool endsLast = false)
    {
        string end = SmallClip.Special[1];
        new SmallClip(endsLast ? [.. s_words.Where(word => word != end), end] : s_words, LongestText).WriteTokenizer(folder);
    }
}
