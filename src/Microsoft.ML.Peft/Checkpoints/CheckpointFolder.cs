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
        string path = Find(folder);
        return IsIndex(path) ? ShardedSource.Open(path, OpenFile) : OpenFile(path);
    }

    /// <summary>The files that together hold the weights, an index included.</summary>
    public static IReadOnlyList<string> FilesOf(string folder)
    {
        string path = Find(folder);
        return IsIndex(path) ? [path, .. ShardedSource.ShardsOf(path)] : [path];
    }

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

    private static ITensorSource OpenFile(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        GgufFile.Extension => GgufWeights.Open(path),
        ".bin" => PyTorchFile.Open(path),
        ".onnx" => OnnxTensorSource.Open(path),
        _ => SafetensorsFile.Open(path),
    };
}
