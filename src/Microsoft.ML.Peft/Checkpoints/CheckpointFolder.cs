namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Finds the weights in a model's folder.</summary>
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

    private static string Find(string folder) =>
        s_names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
        ?? throw new FileNotFoundException($"{folder}: no weights; looked for {string.Join(", ", s_names)}.");

    private static bool IsIndex(string path) => path.EndsWith(IndexSuffix, StringComparison.Ordinal);

    private static ITensorSource OpenFile(string path) => Path.GetExtension(path) switch
    {
        ".bin" => PyTorchFile.Open(path),
        ".onnx" => OnnxTensorSource.Open(path),
        _ => SafetensorsFile.Open(path),
    };
}
