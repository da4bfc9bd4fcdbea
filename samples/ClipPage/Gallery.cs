using System.Text;
using ClipIcons;
using Samples;

namespace ClipPage;

/// <summary>A picture to look among.</summary>
/// <param name="Name">Its name, which no other has.</param>
/// <param name="Read">Gives the file that the model reads.</param>
/// <param name="Show">Gives the file that the page shows.</param>
/// <param name="MediaType">What kind of file that is.</param>
internal sealed record GalleryPicture(string Name, Func<byte[]> Read, Func<byte[]> Show, string MediaType);

/// <summary>Where the pictures come from.</summary>
internal static class Gallery
{
    private const string IconStyle = "filled";

    /// <summary>The icons of one style.</summary>
    public static IReadOnlyList<GalleryPicture> OfIcons() =>
    [
        .. Icon.All().Where(icon => icon.Style == IconStyle).DistinctBy(icon => icon.Words)
            .Select(icon => new GalleryPicture(icon.Words, () => SvgDrawing.Png(icon.Svg, IconClip.Side), () => Svg(icon), "image/svg+xml")),
    ];

    /// <summary>The pictures of a folder of folders.</summary>
    public static IReadOnlyList<GalleryPicture> OfFolder(string folder) =>
    [
        .. PictureFolder.Read(folder).Select(picture => new GalleryPicture(
            $"{picture.Label}/{Path.GetFileName(picture.Path)}", () => File.ReadAllBytes(picture.Path), () => File.ReadAllBytes(picture.Path), PictureFolder.MediaTypeOf(picture.Path))),
    ];

    private static byte[] Svg(Icon icon) => Encoding.UTF8.GetBytes($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\">{icon.Svg}</svg>");
}
