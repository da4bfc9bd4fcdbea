using System.Text.Json;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Where the shared cases and models lie, which are not part of the repository.</summary>
internal static class Shared
{
    public static string ParityRoot => SharedData.Parity;

    public static string ModelsRoot => SharedData.Models;

    public static IEnumerable<string> Folders(string root) => Directory.Exists(root) ? Directory.GetDirectories(root).Order() : [];

    public static IEnumerable<string> Folders(string root, string file) =>
        Folders(root).Where(folder => File.Exists(Path.Combine(folder, file)));

    public static JsonElement Json(params string[] path) => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(path))).RootElement;

    public static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];

    public static TextTokenizer Load(params string[] path)
    {
        string folder = Path.Combine(path);
        SharedData.RequireFolder(folder);
        return TextTokenizer.Load(folder);
    }

    public static void AreEqual(int[] expected, int[] actual, string what) =>
        Assert.AreEqual(string.Join(' ', expected), string.Join(' ', actual), what);
}

/// <summary>A folder of its own for the files of one test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tokenizer").FullName;

    public string Write(string name, string content)
    {
        string file = System.IO.Path.Combine(Path, name);
        File.WriteAllText(file, content);
        return file;
    }

    public TextTokenizer Load(string tokenizerJson)
    {
        Write("tokenizer.json", tokenizerJson);
        return TextTokenizer.Load(Path);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
