using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Weights;
using TorchSharp;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Finds the base that an archive refers to.</summary>
internal static class BaseFolders
{
    /// <summary>Names a folder of model folders, for machines where the base lies elsewhere than on the one that saved.</summary>
    public const string Variable = "MLNET_PEFT_MODELS";

    /// <exception cref="FileNotFoundException">There is no such folder or file.</exception>
    /// <exception cref="InvalidDataException">The folder's weights are not those that the model was tuned on.</exception>
    public static SharedCheckpoint Acquire(BaseEntry entry, torch.Device device)
    {
        SharedCheckpoint checkpoint = SharedCheckpoint.Acquire(Find(entry.Folder ?? ""), device);
        if (string.Equals(checkpoint.ContentHash, entry.Sha256, StringComparison.OrdinalIgnoreCase))
            return checkpoint;
        string found = checkpoint.ContentHash;
        checkpoint.Dispose();
        throw new InvalidDataException(
            $"The base in '{Find(entry.Folder!)}' has SHA-256 {found}, but the model was tuned on one with {entry.Sha256}.");
    }

    private static string Find(string folder)
    {
        string? elsewhere = Environment.GetEnvironmentVariable(Variable);
        string[] candidates = elsewhere is not null && FolderName.Of(folder) is { Length: > 0 } name ? [folder, Path.Combine(elsewhere, name)] : [folder];
        return Array.Find(candidates, Path.Exists) ?? throw new FileNotFoundException(
            $"The archive refers to its base model in '{folder}', which is not there. Put it there, or set {Variable} to the folder that holds '{FolderName.Of(folder)}'.");
    }
}
