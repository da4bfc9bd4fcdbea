namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>What the towers of every model of pictures and texts are called in its checkpoints.</summary>
internal static class TowerModules
{
    private static readonly string[]
        s_pictures = ["vision_model", "visual_projection"], s_texts = ["text_model", "text_projection"], s_logits = ["logit_scale", "logit_bias"];

    /// <summary>The modules that may be tuned: a tower's, and those that make logits of both towers' vectors; null for all.</summary>
    public static IReadOnlyList<string>? Of(ClipTowers towers) => towers switch
    {
        ClipTowers.Image => [.. s_pictures, .. s_logits],
        ClipTowers.Text => [.. s_texts, .. s_logits],
        _ => null,
    };
}
