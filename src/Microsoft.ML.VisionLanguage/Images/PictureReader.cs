using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>Reads pictures as the options say. Whatever is wrong with one is an <see cref="InvalidDataException"/> that names it.</summary>
internal sealed class PictureReader(PictureOptions options)
{
    private readonly string? _allowed = options.AllowedFolder is { } folder ? RealPath.Of(folder) : null;

    /// <summary>The bytes of a file.</summary>
    /// <exception cref="InvalidDataException">It is not there, is no file, or lies elsewhere than it may.</exception>
    public byte[] Load(string path, string source)
    {
        if (path.Length == 0)
            throw Malformed.File(source, "the path of a file", "none");
        try
        {
            string real = RealPath.Of(path);
            if (_allowed is not null && !RealPath.IsBelow(real, _allowed))
                throw Malformed.File(source, $"a path below the folder '{options.AllowedFolder}' ({nameof(PictureOptions)}.{nameof(PictureOptions.AllowedFolder)})", "one outside it");
            if (Directory.Exists(real))
                throw Malformed.File(source, "a file", "a folder");
            return ReadAll(real);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Malformed.File(source, "a file that can be read", e is FileNotFoundException or DirectoryNotFoundException ? "none" : $"that it cannot: {e.Message}", e);
        }
    }

    /// <summary>Looks at a picture's header.</summary>
    /// <returns>Whether there are more pictures behind the first, which alone is read.</returns>
    /// <exception cref="InvalidDataException">It is no picture, or one of too many pixels.</exception>
    public bool Check(byte[] encoded, string source)
    {
        if (RawPicture.Is(encoded))
        {
            var (width, height, _) = RawPicture.ReadHeader(encoded, source);
            CheckSize(width, height, source);
            return false;
        }
        using EncodedPicture picture = Open(encoded, source);
        return picture.IsAnimated;
    }

    /// <summary>A picture's pixels, upright and opaque.</summary>
    /// <exception cref="InvalidDataException">It is no picture, or a damaged one, or one of too many pixels.</exception>
    public Picture Decode(byte[] encoded, string source)
    {
        if (RawPicture.Is(encoded))
            return RawPicture.Decode(encoded, source);
        using EncodedPicture file = Open(encoded, source);
        Picture picture = file.Decode();
        if (!options.DropAlpha && !file.IsOpaque)
            picture.LayOverWhite(premultiplied: false);
        return picture;
    }

    private EncodedPicture Open(byte[] encoded, string source)
    {
        var picture = new EncodedPicture(encoded, source);
        try
        {
            CheckSize(picture.Width, picture.Height, source);
            return picture;
        }
        catch
        {
            picture.Dispose();
            throw;
        }
    }

    private void CheckSize(long width, long height, string source)
    {
        if (width * height > options.MaxPixels)
            throw Malformed.File(source, $"a picture of {options.MaxPixels} pixels at most ({nameof(PictureOptions)}.{nameof(PictureOptions.MaxPixels)})", $"one of {width} by {height}");
    }

    // By the length that the system tells, so that a device without an end gives nothing.
    private static byte[] ReadAll(string path)
    {
        using var file = File.OpenHandle(path);
        long length = RandomAccess.GetLength(file);
        if (length > Array.MaxLength)
            throw new IOException($"it has {length} bytes, more than {Array.MaxLength}");
        var bytes = new byte[length];
        int count = 0;
        while (count < bytes.Length && RandomAccess.Read(file, bytes.AsSpan(count), count) is > 0 and var read)
            count += read;
        return count == bytes.Length ? bytes : throw new IOException($"it ends after {count} of {length} bytes");
    }
}
