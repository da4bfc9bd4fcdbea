namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>Where the first line and the first pixel of it belong, in EXIF's numbers.</summary>
internal enum PictureOrientation
{
    TopLeft = 1,
    TopRight,
    BottomRight,
    BottomLeft,
    LeftTop,
    RightTop,
    RightBottom,
    LeftBottom,
}

/// <summary>Turns pictures upright.</summary>
internal static class Orientation
{
    /// <summary>The picture as it is to be seen.</summary>
    public static Picture Turn(Picture stored, PictureOrientation orientation)
    {
        bool swaps = orientation >= PictureOrientation.LeftTop;
        var turned = swaps ? new Picture(stored.Height, stored.Width) : new Picture(stored.Width, stored.Height);
        // Which way the first line and the first column of what is seen run over what is stored.
        bool flipsX = orientation is PictureOrientation.TopRight or PictureOrientation.BottomRight or PictureOrientation.RightBottom or PictureOrientation.LeftBottom;
        bool flipsY = orientation is PictureOrientation.BottomRight or PictureOrientation.BottomLeft or PictureOrientation.RightTop or PictureOrientation.RightBottom;
        ReadOnlySpan<uint> from = Words(stored);
        Span<uint> to = Words(turned);
        for (int y = 0, at = 0; y < turned.Height; y++)
        {
            for (int x = 0; x < turned.Width; x++)
            {
                var (column, line) = swaps ? (y, x) : (x, y);
                to[at++] = from[((flipsY ? stored.Height - 1 - line : line) * stored.Width) + (flipsX ? stored.Width - 1 - column : column)];
            }
        }
        return turned;
    }

    private static Span<uint> Words(Picture picture) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(picture.Pixels);
}
