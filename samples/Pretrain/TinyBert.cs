using Samples;

namespace Pretrain;

/// <summary>A BERT that two cores train in minutes: a folder with configuration and vocabulary, and no weights.</summary>
internal static class TinyBert
{
    private const string Config = """
        {
          "architectures": ["BertForMaskedLM"],
          "model_type": "bert",
          "hidden_size": 128,
          "num_hidden_layers": 2,
          "num_attention_heads": 2,
          "intermediate_size": 512,
          "hidden_act": "gelu",
          "hidden_dropout_prob": 0.0,
          "attention_probs_dropout_prob": 0.0,
          "layer_norm_eps": 1e-12,
          "initializer_range": 0.02,
          "max_position_embeddings": 128,
          "type_vocab_size": 2,
          "vocab_size": 30522,
          "pad_token_id": 0
        }
        """;

    public static string WriteFolder(string folder) => MiniLmPackage.WriteFolder(folder, Config);
}
