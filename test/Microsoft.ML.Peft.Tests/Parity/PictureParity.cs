using System.Text;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What CLIP's and BLIP's settings make of a picture.</summary>
internal static class PictureParity
{
    private const string Channels = """
        "resample": 3, "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]
        """;

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        Tensor rgb = parity.Input("in.rgb_hwc_u8");
        using var picture = Picture.FromRgb((int)rgb.shape[1], (int)rgb.shape[0], rgb.cpu().data<byte>().ToArray());
        parity.Check("out.clip32", Pixels(picture, $$"""{"size": {"shortest_edge": 32}, "crop_size": 32, "do_center_crop": true, {{Channels}}}"""));
        parity.Check("out.blip48", Pixels(picture, $$"""{"size": {"height": 48, "width": 48}, {{Channels}}}"""));
    }

    private static Tensor Pixels(Picture picture, string json)
    {
        PictureSettings settings = PictureSettings.Parse(Encoding.UTF8.GetBytes(json), "the case");
        var pixels = new float[settings.Count];
        settings.Write(picture, null, pixels);
        return tensor(pixels, [1, Picture.Channels, settings.Height, settings.Width], ScalarType.Float32);
    }
}
