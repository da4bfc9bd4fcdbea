using System.Text;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Checkpoints;

/// <summary>CLIP as open_clip saves it: a folder with open_clip_config.json, which says of what parts the model is made, beside the tensors.</summary>
internal sealed class OpenClipLayout : CheckpointLayout
{
    private const string ConfigName = "open_clip_config.json";

    // In the order in which open_clip looks for them.
    private static readonly string[] s_names =
        ["open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth"];

    public override string Key => "open_clip";

    public override ForeignCheckpoint? Find(string path)
    {
        string folder = CheckpointFolder.FolderOf(path), description = Path.Combine(folder, ConfigName);
        if (!File.Exists(description))
            return null;
        string weights = File.Exists(path) ? path : s_names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException($"{folder}: no weights beside {ConfigName}; looked for {string.Join(", ", s_names)}.");
        OpenClipConfig config = OpenClipConfig.Read(description);
        using ITensorSource file = CheckpointFolder.OpenFile(weights);
        return new ForeignCheckpoint
        {
            WeightsFile = weights,
            ConfigFile = description,
            Config = HfConfig.Parse(config.Model().ToJsonString(), description),
            Tensors = ClipNames.Map(file),
            Files = new Dictionary<string, byte[]> { [PictureSettings.FileName] = Encoding.UTF8.GetBytes(config.Pictures().ToJsonString()) },
        };
    }
}
