using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.VisionLanguage.Inputs;

/// <summary>Images of rows that were read ahead, as plain pixels: each reader gets an image of its own, and one of the source's is alive at a time.</summary>
internal sealed class ImageBuffer(ValueGetter<MLImage> getter) : ColumnBuffer
{
    private Pixels?[] _images = [];

    // Image getters dispose what they overwrite; the last one stays, as it may be the user's own.
    private MLImage? _current;

    public override void Fill(int slot)
    {
        getter(ref _current!);
        Grow(ref _images, slot);
        _images[slot] = _current is null ? null : new Pixels(_current.Width, _current.Height, _current.PixelFormat, _current.Pixels.ToArray(), _current.Tag);
    }

    public override Delegate CreateGetter(Func<int> current) => (ValueGetter<MLImage>)((ref MLImage value) =>
    {
        value?.Dispose();
        value = _images[current()]?.ToImage()!;
    });

    private sealed record Pixels(int Width, int Height, MLPixelFormat Format, byte[] Values, string? Tag)
    {
        public MLImage ToImage()
        {
            MLImage image = MLImage.CreateFromPixels(Width, Height, Format, Values);
            image.Tag = Tag;
            return image;
        }
    }
}
