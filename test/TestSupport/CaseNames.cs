namespace Microsoft.ML.Peft.TestSupport;

/// <summary>The cases that are found, by the names that the lists of families use.</summary>
public static class CaseNames
{
    public const string Tokenizers = "tokenizers", Models = "models", ExpectationPrefix = "expected-", None = "(no cases)";

    /// <summary>A folder each; what it lacks, its test tells.</summary>
    public static string[] OfParity => [.. Folders(SharedData.Parity).Where(name => name != Tokenizers)];

    public static string[] OfTokenizers => [.. Folders(Path.Combine(SharedData.Parity, Tokenizers)).Select(name => $"{Tokenizers}/{name}")];

    /// <summary>A file each: folder/kind.</summary>
    public static string[] OfModels =>
    [
        .. Folders(SharedData.Models).SelectMany(folder => Directory.GetFiles(Path.Combine(SharedData.Models, folder), ExpectationPrefix + "*.json")
            .Select(file => $"{Models}/{folder}/{Path.GetFileNameWithoutExtension(file)[ExpectationPrefix.Length..]}")).Order(StringComparer.Ordinal),
    ];

    /// <summary>Rows of a data-driven test, of which there must be one at least.</summary>
    public static IEnumerable<object[]> Rows(string[] names) => names.DefaultIfEmpty(None).Select(name => new object[] { name });

    private static IEnumerable<string> Folders(string root) => Directory.Exists(root)
        ? Directory.GetDirectories(root).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)
        : [];
}
