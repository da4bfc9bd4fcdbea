using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A small picture as bytes and what is said of it.</summary>
public sealed class PictureRow
{
    public byte[] Image { get; set; } = [];

    public string Text { get; set; } = "";

    public float Number { get; set; }

    private static readonly (string Name, byte Red, byte Green, byte Blue)[] s_colours = [("red", 230, 20, 10), ("green", 20, 220, 30), ("blue", 10, 30, 240)];

    /// <summary>Squares and stripes in three colours, each a PNG file of its own size, with their captions.</summary>
    public static IReadOnlyList<PictureRow> Some(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        var colour = s_colours[i % s_colours.Length];
        bool stripes = i / s_colours.Length % 2 == 1;
        return new PictureRow
        {
            Image = Png(20 + (i % 5), 18 + (i % 7), (x, y) => (stripes ? x / 3 % 2 == 0 : x > 5 && x < 14 && y > 5 && y < 14) ? (colour.Red, colour.Green, colour.Blue) : ((byte)0, (byte)0, (byte)0)),
            Text = $"{(i % 2 == 0 ? "a " : "")}{colour.Name} {(stripes ? "stripes" : "square")}",
            Number = i,
        };
    })];

    /// <summary>A picture as the bytes of a PNG file.</summary>
    public static byte[] Png(int width, int height, Func<int, int, (byte Red, byte Green, byte Blue)> colour)
    {
        using MLImage image = Draw(width, height, colour);
        string file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.png");
        try
        {
            image.Save(file);
            return File.ReadAllBytes(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>A picture as ML.NET has it.</summary>
    public static MLImage Draw(int width, int height, Func<int, int, (byte Red, byte Green, byte Blue)> colour)
    {
        var pixels = new byte[4 * width * height];
        for (int i = 0; i < width * height; i++)
            (pixels[4 * i], pixels[(4 * i) + 1], pixels[(4 * i) + 2], pixels[(4 * i) + 3]) = With(colour(i % width, i / width));
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, pixels);

        static (byte, byte, byte, byte) With((byte Red, byte Green, byte Blue) c) => (c.Red, c.Green, c.Blue, 255);
    }
}
