using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>
/// CLIP (Radford et al. 2021): a vision transformer or a residual network for pictures, a causal transformer for texts. Where config.json
/// says nothing, it means ViT-B/32.
/// </summary>
internal sealed class Clip : TwoTowerModel
{
    private const string BiasName = "logit_bias";

    public Clip(HfConfig config, WeightScope root) : base(config, root)
    {
        HfConfig vision = config.Section("vision_config");
        Width = config.Int("projection_dim", 512);
        Texts = new ClipTextTower(root, config, Width);
        Pictures = vision.Has(ClipResNet.LayersKey) ? new ClipResNet(root["vision_model"], vision, Width) : new ClipVisionTransformer(root, vision, Width);
        Scale = LoadNumber("logit_scale", config.Double("logit_scale_init_value", 2.6592));
        Bias = Weights.Sources.Brings(root[BiasName].Path) ? root.Load(BiasName, Init.Zeros) : null;
    }

    /// <summary>The modules of the model in a checkpoint.</summary>
    public static IReadOnlyList<string> BasePaths { get; } =
        ["text_model", "vision_model", "text_projection", "visual_projection", "logit_scale", BiasName];

    public override IPictureTower Pictures { get; }

    public override ITextTower Texts { get; }

    public override int Width { get; }

    public override Parameter Scale { get; }

    // open_clip's, where they learned by the sigmoid loss.
    public override Parameter? Bias { get; }

    // Older checkpoints carry the numbers of the positions.
    protected override bool IsOptional(string name) => name.EndsWith(".embeddings.position_ids", StringComparison.Ordinal);
}
