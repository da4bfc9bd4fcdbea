using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A file that defines a tokenizer: one on the disk, or one that was made of another file's contents.</summary>
/// <param name="Name">The plain name, as in a Hugging Face folder.</param>
/// <param name="Description">Where it comes from, for messages.</param>
/// <param name="Read">Its contents.</param>
internal sealed record TokenizerFile(string Name, string Description, Func<byte[]> Read)
{
    public static TokenizerFile OnDisk(string path) => new(Path.GetFileName(path), path, () => LfsPointer.ReadAllBytes(path));
}
