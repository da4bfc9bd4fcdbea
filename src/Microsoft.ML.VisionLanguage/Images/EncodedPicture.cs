using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Checkpoints;
using SkiaSharp;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>
/// A file of a picture as Skia's decoder sees it, which ML.NET's images are decoded by too: its header first, its pixels when they are
/// asked for. The bytes stay where they are.
/// </summary>
internal sealed class EncodedPicture : IDisposable
{
    private readonly byte[] _bytes;
    private readonly string _source;
    private readonly SKData _data;
    private readonly SKCodec _codec;
    private GCHandle _pin;

    /// <param name="bytes">The file.</param>
    /// <param name="source">What it is, for errors.</param>
    /// <exception cref="InvalidDataException">It is of another format, or its header is damaged.</exception>
    public EncodedPicture(byte[] bytes, string source)
    {
        if (!PictureFormat.IsKnown(bytes))
            throw Malformed.File(source, $"a picture ({PictureFormat.Known})", PictureFormat.Describe(bytes));
        (_bytes, _source) = (bytes, source);
        _pin = GCHandle.Alloc(bytes, GCHandleType.Pinned);
        _data = SKData.Create(_pin.AddrOfPinnedObject(), bytes.Length);
        if (SKCodec.Create(_data) is not { } codec)
        {
            Free();
            throw Malformed.File(source, $"a picture ({PictureFormat.Known})", $"{PictureFormat.Describe(bytes)}, and whose header is damaged");
        }
        _codec = codec;
    }

    public long Width => _codec.Info.Width;

    public long Height => _codec.Info.Height;

    /// <summary>Whether it has more than the picture that is read, which is the first.</summary>
    public bool IsAnimated => _codec.FrameCount > 1;

    public bool IsOpaque => _codec.Info.AlphaType == SKAlphaType.Opaque;

    /// <summary>The pixels, turned as the file's EXIF data says, the colours not multiplied with alpha.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or ends early.</exception>
    public Picture Decode()
    {
        Picture stored = Pixels();
        PictureOrientation orientation = _codec.EncodedOrigin == SKEncodedOrigin.TopLeft && PictureFormat.IsPng(_bytes)
            ? PngOrientation.Of(_bytes)
            : (PictureOrientation)_codec.EncodedOrigin;
        if (orientation == PictureOrientation.TopLeft)
            return stored;
        using (stored)
            return Orientation.Turn(stored, orientation);
    }

    public void Dispose()
    {
        _codec.Dispose();
        Free();
    }

    private unsafe Picture Pixels()
    {
        var picture = new Picture(_codec.Info.Width, _codec.Info.Height);
        SKCodecResult result;
        // Without a colour space to go to, colours stay as they are stored: neither PIL nor the originals look at profiles.
        var info = new SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul, null);
        fixed (byte* pixels = picture.Pixels)
            result = _codec.GetPixels(info, (nint)pixels);
        if (result == SKCodecResult.Success)
            return picture;
        picture.Dispose();
        throw Malformed.File(_source, $"a picture of {Width} by {Height} pixels", result == SKCodecResult.IncompleteInput
            ? $"{_bytes.Length} bytes, which end before it does"
            : $"{_bytes.Length} bytes that are damaged ({result})");
    }

    private void Free()
    {
        _data.Dispose();
        _pin.Free();
    }
}
