using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The few lines that a clone without Git LFS has in a big file's place; every reader of files refuses them by name.</summary>
internal static class LfsPointer
{
    private static ReadOnlySpan<byte> Opening => "version https://git-lfs.github.com/spec/"u8;

    /// <exception cref="InvalidDataException">The bytes are a pointer.</exception>
    public static void Refuse(ReadOnlySpan<byte> content, string file)
    {
        if (content.StartsWith(Opening))
        {
            throw Malformed.File(
                file, "the file itself", "a Git LFS pointer to it, as a clone without Git LFS leaves it; run 'git lfs pull' there, or download the file");
        }
    }

    /// <exception cref="InvalidDataException">The file is a pointer.</exception>
    public static void Refuse(MappedFile mapping, string file) => Refuse(mapping.Bytes(0, (int)Math.Min(mapping.Length, Opening.Length)), file);

    /// <summary>A file's bytes.</summary>
    /// <exception cref="InvalidDataException">The file is a pointer.</exception>
    public static byte[] ReadAllBytes(string file)
    {
        byte[] content = File.ReadAllBytes(file);
        Refuse(content, file);
        return content;
    }
}
