using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A folder with a CLIP of ViT-B/32's shape and random weights (605 MB), its tokenizer and its picture settings.</summary>
internal sealed class ClipFolder : IDisposable
{
    /// <summary>Where it says nothing, CLIP means ViT-B/32.</summary>
    public const string Config = """
        {"architectures":["CLIPModel"],"model_type":"clip","projection_dim":512,"text_config":{"eos_token_id":49407},"vision_config":{}}
        """;

    private const string Pictures = """
        {"image_processor_type":"CLIPImageProcessor","size":{"shortest_edge":224},"crop_size":{"height":224,"width":224},"do_center_crop":true,"resample":3,
         "image_mean":[0.48145466,0.4578275,0.40821073],"image_std":[0.26862954,0.26130258,0.27577711]}
        """;

    private const string Tokenizer = """
        {"tokenizer_class":"CLIPTokenizer","model_max_length":77,"bos_token":"<|startoftext|>","eos_token":"<|endoftext|>","pad_token":"<|endoftext|>","unk_token":"<|endoftext|>"}
        """;

    public ClipFolder()
    {
        Folder = Directory.CreateTempSubdirectory("clip-vit-b-32-").FullName;
        Write("config.json", Config);
        Write("preprocessor_config.json", Pictures);
        Write("tokenizer_config.json", Tokenizer);
        foreach (string file in new[] { "vocab.json", "merges.txt" })
            File.Copy(SharedData.Require(SharedData.Data, "tokenizers", "clip", file), Path.Combine(Folder, file));
        using PretrainedModel model = Random();
        SafetensorsWriter.WriteFile(Path.Combine(Folder, "model.safetensors"), model.Weights.All.Select(parameter => (parameter.Name, parameter.Value)));
    }

    public string Folder { get; }

    /// <summary>The model alone, in memory.</summary>
    public static PretrainedModel Random()
    {
        Registries.Shared.Include(typeof(VisionLanguageCatalog).Assembly);
        return ModelRegistry.Create(HfConfig.Parse(Config, "benchmark"), null, CPU, seed: 1);
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private void Write(string name, string content) => File.WriteAllText(Path.Combine(Folder, name), content);
}
