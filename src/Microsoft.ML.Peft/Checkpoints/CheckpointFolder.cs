using Microsoft.ML.Peft.Checkpoints.Gguf;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Finds the weights in a model's folder. A .gguf file, which holds all of a model, may stand for the folder.</summary>
internal static class CheckpointFolder
{
    private const string IndexSuffix = ".index.json";

    private static readonly string[] s_names =
        ["model.safetensors", "model.safetensors" + IndexSuffix, "pytorch_model.bin", "pytorch_model.bin" + IndexSuffix, "model.onnx"];

    public static ITensorSource Open(string folder)
    {
        if (CheckpointLayout.Translate(folder) is { } foreign)
            return foreign.Open();
        string path = Find(folder);
        return IsIndex(path) ? ShardedSource.Open(path, OpenFile) : OpenFile(path);
    }

    /// <summary>The files that together hold the weights, an index included.</summary>
    public static IReadOnlyList<string> FilesOf(string folder)
    {
        if (CheckpointLayout.Translate(folder) is { } foreign)
            return foreign.Sources;
        string path = Find(folder);
        return IsIndex(path) ? [path, .. ShardedSource.ShardsOf(path)] : [path];
    }

    /// <summary>A further file of a model by its name in a Hugging Face folder: what another layout has in its place, else the file itself; null where there is none.</summary>
    public static (byte[] Content, string Description)? ReadFile(string folder, string name)
    {
        if (CheckpointLayout.Translate(folder) is { } foreign && foreign.Files.TryGetValue(name, out byte[]? translated))
            return (translated, $"{foreign.Sources[^1]} (as {name})");
        string path = Path.Combine(FolderOf(folder), name);
        return File.Exists(path) ? (LfsPointer.ReadAllBytes(path), path) : null;
    }

    /// <summary>Where the files of a model lie: in the path itself, or beside the one that stands for it. A .gguf file has none beside it.</summary>
    public static string FolderOf(string path) => File.Exists(path) && !IsGguf(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;

    public static ITensorSource OpenFile(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        GgufFile.Extension => GgufWeights.Open(path),
        ".bin" or ".pt" or ".pth" => PyTorchFile.Open(path),
        ".onnx" => OnnxTensorSource.Open(path),
        _ => SafetensorsFile.Open(path),
    };

    /// <summary>The .gguf file that is meant by a path: the path itself, or the one in a folder; null where there is none.</summary>
    /// <exception cref="InvalidDataException">The folder has several.</exception>
    public static string? FindGguf(string path)
    {
        if (File.Exists(path))
            return IsGguf(path) ? path : null;
        string[] found = Directory.Exists(path) ? [.. Directory.GetFiles(path).Where(IsGguf).Order(StringComparer.Ordinal)] : [];
        return found.Length <= 1 ? found.FirstOrDefault() : throw Malformed.File(
            path, "one .gguf file (name the file itself to choose)", string.Join(", ", found.Select(Path.GetFileName)));
    }

    private static string Find(string folder) =>
        s_names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
        ?? FindGguf(folder)
        ?? throw new FileNotFoundException($"{folder}: no weights; looked for {string.Join(", ", s_names)} and *{GgufFile.Extension}.");

    private static bool IsGguf(string path) => Path.GetExtension(path).Equals(GgufFile.Extension, StringComparison.OrdinalIgnoreCase);

    private static bool IsIndex(string path) => path.EndsWith(IndexSuffix, StringComparison.Ordinal);
}
