using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>The one size of pictures that a tower reads.</summary>
internal sealed record PictureShape(int Channels, int Side)
{
    public static PictureShape From(HfConfig vision, int usualSide = 224) => new(vision.Int("num_channels", 3), vision.Int("image_size", usualSide));

    /// <exception cref="ArgumentException">The pictures are of another size.</exception>
    public void Check(Tensor pixels)
    {
        long[] found = pixels.Sizes()[1..];
        if (!found.SequenceEqual([Channels, Side, Side]))
            throw new ArgumentException($"The model reads pictures of [{Channels}, {Side}, {Side}], and these are [{string.Join(", ", found)}].", nameof(pixels));
    }
}
