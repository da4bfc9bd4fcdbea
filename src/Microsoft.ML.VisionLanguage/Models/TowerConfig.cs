using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>The sizes and rates of the layers of one tower.</summary>
/// <param name="Hidden">The width of the stream.</param>
/// <param name="Layers">How many.</param>
/// <param name="Heads">Heads of attention.</param>
/// <param name="Intermediate">The width of the feed-forward layers.</param>
/// <param name="Epsilon">What norms add to the variance.</param>
/// <param name="AttentionDropout">Of attention's probabilities, in training.</param>
/// <param name="Activation">The feed-forward layers', by its name in config.json.</param>
internal sealed record TowerConfig(int Hidden, int Layers, int Heads, int Intermediate, double Epsilon, double AttentionDropout, string Activation)
{
    /// <param name="c">The tower's part of config.json.</param>
    /// <param name="usual">What the family means where its file says nothing.</param>
    /// <exception cref="InvalidDataException">A value is of the wrong kind, or does not fit the others.</exception>
    public static TowerConfig From(HfConfig c, TowerConfig usual)
    {
        var config = new TowerConfig(
            c.Int("hidden_size", usual.Hidden), c.Int("num_hidden_layers", usual.Layers), c.Int("num_attention_heads", usual.Heads),
            c.Int("intermediate_size", usual.Intermediate), c.Double("layer_norm_eps", usual.Epsilon),
            c.Double("attention_dropout", usual.AttentionDropout), c.String("hidden_act", usual.Activation));
        return config.Heads > 0 && config.Hidden % config.Heads == 0 ? config : throw new InvalidDataException(
            $"The model's configuration has hidden_size {config.Hidden} and num_attention_heads {config.Heads}: the heads must divide it.");
    }
}
