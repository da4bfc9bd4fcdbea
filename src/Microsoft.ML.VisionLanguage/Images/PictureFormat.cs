namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>The formats that are read, by what their files begin with. No decoder sees a file that begins with anything else.</summary>
internal static class PictureFormat
{
    public const string Known = "JPEG, PNG, GIF, BMP or WebP";

    private const int Shown = 8;

    private static ReadOnlySpan<byte> Jpeg => [0xFF, 0xD8, 0xFF];

    private static ReadOnlySpan<byte> Png => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    private static ReadOnlySpan<byte> Riff => "RIFF"u8;

    public static bool IsKnown(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith(Jpeg) || IsPng(bytes) || bytes.StartsWith("GIF87a"u8) || bytes.StartsWith("GIF89a"u8) || bytes.StartsWith("BM"u8)
        || (bytes.StartsWith(Riff) && bytes.Length > 2 * sizeof(int) && bytes[(2 * sizeof(int))..].StartsWith("WEBP"u8));

    public static bool IsPng(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Png);

    /// <summary>What stands at the beginning, for errors.</summary>
    public static string Describe(ReadOnlySpan<byte> bytes) => bytes.IsEmpty
        ? "no bytes"
        : $"{bytes.Length} bytes that begin with {Convert.ToHexString(bytes[..Math.Min(Shown, bytes.Length)])}";
}
