using SkiaSharp;

namespace ClipIcons;

/// <summary>A picture of what texts find: a row for each text, the icons that it finds behind it, those of its own name in a frame.</summary>
internal static class ContactSheet
{
    private const int Cell = 56, Icon = 40, TextWidth = 260, Columns = 10;

    public static string Save(string path, IReadOnlyList<(string Text, string Name, IReadOnlyList<Icon> Found)> rows)
    {
        using var bitmap = new SKBitmap(TextWidth + (Columns * Cell), rows.Count * Cell);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);
        using var ink = new SKPaint { IsAntialias = true, Color = SKColors.Black, TextSize = 17 };
        using var frame = new SKPaint { IsAntialias = true, Color = new SKColor(0x2E, 0x7D, 0x32), Style = SKPaintStyle.Stroke, StrokeWidth = 3 };
        for (int row = 0; row < rows.Count; row++)
        {
            canvas.DrawText(rows[row].Text, 10, (row * Cell) + (Cell / 2) + 6, ink);
            for (int column = 0; column < Math.Min(Columns, rows[row].Found.Count); column++)
            {
                Icon found = rows[row].Found[column];
                var square = SKRect.Create(TextWidth + (column * Cell) + ((Cell - Icon) / 2), (row * Cell) + ((Cell - Icon) / 2), Icon, Icon);
                SvgDrawing.Draw(canvas, found.Svg, square);
                if (found.Name == rows[row].Name)
                    canvas.DrawRoundRect(SKRect.Inflate(square, 5, 5), 6, 6, frame);
            }
        }
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(path, data.ToArray());
        return Path.GetFullPath(path);
    }
}
