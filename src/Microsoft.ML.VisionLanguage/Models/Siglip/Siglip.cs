using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>
/// SigLIP (Zhai et al. 2023), and SigLIP 2 at a fixed size: two transformers that see their whole input, and a bias beside the scale for the sigmoid loss.
/// Where config.json says nothing, it means ViT-B/16.
/// </summary>
internal sealed class Siglip : TwoTowerModel
{
    /// <exception cref="InvalidDataException">The towers do not end in one space.</exception>
    public Siglip(HfConfig config, WeightScope root) : base(config, root)
    {
        var texts = new SiglipTextTower(root["text_model"], config.Section("text_config"));
        var pictures = new SiglipPictureTower(root["vision_model"], config.Section("vision_config"));
        (Texts, Pictures, Width) = (texts, pictures, pictures.Width);
        if (texts.Width != pictures.Width)
            throw new InvalidDataException($"The model's configuration has a text tower that ends in {texts.Width} numbers and a picture tower that ends in {pictures.Width}.");
        // Where training starts in the paper.
        Scale = LoadNumber("logit_scale", Math.Log(10), 1);
        Bias = LoadNumber("logit_bias", -10, 1);
    }

    /// <summary>The modules of the model in a checkpoint.</summary>
    public static IReadOnlyList<string> BasePaths { get; } = ["text_model", "vision_model", "logit_scale", "logit_bias"];

    public override IPictureTower Pictures { get; }

    public override ITextTower Texts { get; }

    public override int Width { get; }

    public override Parameter Scale { get; }

    public override Parameter Bias { get; }

    // Older checkpoints carry the numbers of the positions.
    protected override bool IsOptional(string name) => name.EndsWith(".embeddings.position_ids", StringComparison.Ordinal);
}
