using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Adapters as they come: a PEFT folder, or a .gguf file.</summary>
internal static class AdapterFiles
{
    /// <summary>Opens an adapter for a model of the given configuration; the caller disposes it.</summary>
    /// <exception cref="InvalidDataException">The files are malformed, or of another architecture.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind that is not supported.</exception>
    public static AdapterState Read(string path, HfConfig config) =>
        File.Exists(path) ? TunerRegistry.FromGguf(path, config) : AdapterFolder.Read(path);

    /// <summary>Refuses an adapter that names another base than this one.</summary>
    /// <exception cref="InvalidDataException">It does; the message has both hashes.</exception>
    public static void CheckBase(AdapterState adapter, string path, Func<string?> baseHash)
    {
        if (adapter.BaseSha256 is { } wanted && baseHash() is { } found && !string.Equals(wanted, found, StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidDataException(
                $"The adapter in '{path}' was trained on a base whose weights have SHA-256 {wanted}; this base has {found}.");
        }
    }
}
