using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using SkiaSharp;

namespace ClipIcons;

/// <summary>Draws the few kinds of SVG that the icons are made of: filled shapes in groups, black on white.</summary>
internal static partial class SvgDrawing
{
    private const float Field = 24;

    private static readonly string[] s_known = ["svg", "g", "path", "rect", "circle", "ellipse", "polygon"];

    /// <summary>Whether all that is drawn is of a known kind; a handful of icons is not.</summary>
    public static bool Understands(string shapes) =>
        Parse(shapes).DescendantsAndSelf().All(element => s_known.Contains(element.Name.LocalName) && element.Attribute("clip-path") is null && element.Attribute("style") is null);

    /// <summary>Draws an icon into a square.</summary>
    public static void Draw(SKCanvas canvas, string shapes, SKRect square)
    {
        canvas.Save();
        canvas.Translate(square.Left, square.Top);
        canvas.Scale(square.Width / Field);
        Draw(canvas, Parse(shapes), 1);
        canvas.Restore();
    }

    /// <summary>An icon as a PNG file.</summary>
    public static byte[] Png(string shapes, int side)
    {
        using var bitmap = new SKBitmap(side, side);
        using (var canvas = new SKCanvas(bitmap))
        {
            canvas.Clear(SKColors.White);
            Draw(canvas, shapes, new SKRect(0, 0, side, side));
        }
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static XElement Parse(string shapes) => XElement.Parse($"<svg>{shapes}</svg>");

    private static void Draw(SKCanvas canvas, XElement element, float opacity)
    {
        if (Text(element, "fill") == "none" || Text(element, "display") == "none")
            return;
        opacity *= Number(element, "opacity", 1) * Number(element, "fill-opacity", 1);
        canvas.Save();
        if (Text(element, "transform") is { } transform)
            Apply(canvas, transform);
        using (SKPath? path = PathOf(element))
        {
            if (path is not null)
                Fill(canvas, path, element, opacity);
        }
        foreach (XElement child in element.Elements())
            Draw(canvas, child, opacity);
        canvas.Restore();
    }

    private static void Fill(SKCanvas canvas, SKPath path, XElement element, float opacity)
    {
        path.FillType = (Text(element, "fill-rule") ?? Text(element, "clip-rule")) == "evenodd" ? SKPathFillType.EvenOdd : SKPathFillType.Winding;
        using var paint = new SKPaint { IsAntialias = true, Color = SKColors.Black.WithAlpha((byte)MathF.Round(255 * opacity)) };
        canvas.DrawPath(path, paint);
    }

    private static SKPath? PathOf(XElement element)
    {
        if (element.Name.LocalName == "path")
            return SKPath.ParseSvgPathData(Text(element, "d"));
        var path = new SKPath();
        switch (element.Name.LocalName)
        {
            case "rect":
                path.AddRoundRect(
                    SKRect.Create(Number(element, "x"), Number(element, "y"), Number(element, "width"), Number(element, "height")),
                    Number(element, "rx", Number(element, "ry")), Number(element, "ry", Number(element, "rx")));
                break;
            case "circle":
                path.AddCircle(Number(element, "cx"), Number(element, "cy"), Number(element, "r"));
                break;
            case "ellipse":
                path.AddOval(SKRect.Create(
                    Number(element, "cx") - Number(element, "rx"), Number(element, "cy") - Number(element, "ry"), 2 * Number(element, "rx"), 2 * Number(element, "ry")));
                break;
            case "polygon":
                path.AddPoly([.. Numbers(Text(element, "points")!).Chunk(2).Select(point => new SKPoint(point[0], point[1]))]);
                break;
        }
        return path;
    }

    private static void Apply(SKCanvas canvas, string transform)
    {
        foreach (Match match in Transforms().Matches(transform))
        {
            float[] values = Numbers(match.Groups[2].Value);
            SKMatrix matrix = (match.Groups[1].Value, values) switch
            {
                ("matrix", [var a, var b, var c, var d, var e, var f]) => new SKMatrix(a, c, e, b, d, f, 0, 0, 1),
                ("translate", [var x, .. var y]) => SKMatrix.CreateTranslation(x, y is [var only] ? only : 0),
                ("rotate", [var angle]) => SKMatrix.CreateRotationDegrees(angle),
                ("rotate", [var angle, var x, var y]) => SKMatrix.CreateRotationDegrees(angle, x, y),
                ("scale", [var x, .. var y]) => SKMatrix.CreateScale(x, y is [var only] ? only : x),
                _ => throw new NotSupportedException($"The transformation '{match.Value}' is not known."),
            };
            canvas.Concat(ref matrix);
        }
    }

    private static string? Text(XElement element, string name) => element.Attribute(name)?.Value;

    private static float Number(XElement element, string name, float otherwise = 0) =>
        Text(element, name) is { } text ? float.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private static float[] Numbers(string text) => [.. Numeral().Matches(text).Select(match => float.Parse(match.Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"(\w+)\s*\(([^)]*)\)")]
    private static partial Regex Transforms();

    [GeneratedRegex(@"-?(\d+\.?\d*|\.\d+)(e-?\d+)?")]
    private static partial Regex Numeral();
}
