using System.Text.Json.Nodes;

namespace Microsoft.ML.VisionLanguage.Checkpoints;

/// <summary>How CLIP's pictures are prepared, as a preprocessor_config.json says it.</summary>
internal static class ClipPictures
{
    private const int Bicubic = 3;

    private static readonly double[] s_mean = [0.48145466, 0.4578275, 0.40821073], s_deviation = [0.26862954, 0.26130258, 0.27577711];

    /// <summary>The shorter side becomes the model's, by bicubic resampling, and the middle is cut out.</summary>
    /// <param name="side">The side of the model's pictures.</param>
    public static JsonObject Settings(int side) => new()
    {
        ["image_processor_type"] = "CLIPImageProcessor",
        ["do_resize"] = true,
        ["size"] = new JsonObject { ["shortest_edge"] = side },
        ["resample"] = Bicubic,
        ["do_center_crop"] = true,
        ["crop_size"] = new JsonObject { ["height"] = side, ["width"] = side },
        ["do_normalize"] = true,
        ["image_mean"] = Numbers(s_mean),
        ["image_std"] = Numbers(s_deviation),
    };

    public static JsonArray Numbers(IEnumerable<double> values) => new([.. values.Select(value => (JsonNode)value)]);
}
