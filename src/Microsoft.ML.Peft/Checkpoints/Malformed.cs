namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The words in which checkpoint files are refused: file, item, what was expected and what was found.</summary>
internal static class Malformed
{
    public static InvalidDataException File(string file, string expected, string found, Exception? inner = null) =>
        new($"{file}: expected {expected}, found {found}.", inner);

    public static InvalidDataException Tensor(string file, string tensor, string expected, string found) =>
        new($"{file}: tensor '{tensor}': expected {expected}, found {found}.");

    public static InvalidDataException NoTensor(string file, string tensor) =>
        new($"{file}: expected a tensor '{tensor}', found none of that name.");

    public static string Shape(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";
}
