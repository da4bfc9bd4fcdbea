using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Rotary position embedding (Su et al. 2021) in the half-split order of Hugging Face's models, with the ways of config.json to
/// stretch it over longer texts.
/// </summary>
internal sealed class Rotary
{
    private delegate double[] Scaling(RopeSettings rope, long length);

    private static readonly Dictionary<string, Scaling> Scalings = new(StringComparer.Ordinal)
    {
        ["default"] = (rope, _) => rope.Frequencies(rope.Theta),
        ["linear"] = (rope, _) => [.. rope.Frequencies(rope.Theta).Select(f => f / rope.Number("factor"))],
        ["dynamic"] = Dynamic,
        ["llama3"] = Llama3,
    };

    private readonly RopeSettings _rope;
    private readonly Scaling _scaling;
    private readonly bool _dependsOnLength;
    private readonly float[] _frequencies;

    /// <param name="config">config.json, with <c>rope_parameters</c>, or <c>rope_theta</c> and <c>rope_scaling</c> as they were before.</param>
    /// <param name="size">The size of a head.</param>
    /// <exception cref="NotSupportedException">The kind of scaling is not known.</exception>
    public Rotary(HfConfig config, int size)
    {
        _rope = RopeSettings.From(config, size);
        if (!Scalings.TryGetValue(_rope.Kind, out _scaling!))
            throw new NotSupportedException($"rope_type '{_rope.Kind}' is not supported; known are {string.Join(", ", Scalings.Keys)}.");
        _dependsOnLength = _rope.Kind == "dynamic";
        _frequencies = Frequencies(0);
    }

    /// <summary>The rotation of each position, computed once a batch.</summary>
    /// <param name="positions">[B or 1, S], int64</param>
    public Rotation At(Tensor positions)
    {
        using var scope = NewDisposeScope();
        float[] values = _dependsOnLength ? Frequencies(positions.max().item<long>() + 1) : _frequencies;
        Tensor angles = positions.to(ScalarType.Float32).unsqueeze(-1) * tensor(values, ScalarType.Float32, positions.device);
        return new Rotation(angles.cos().MoveToOuterDisposeScope(), angles.sin().MoveToOuterDisposeScope());
    }

    private float[] Frequencies(long length) => [.. _scaling(_rope, length).Select(f => (float)f)];

    /// <summary>NTK-aware scaling: the base grows once a text is longer than the model was made for.</summary>
    private static double[] Dynamic(RopeSettings rope, long length)
    {
        double most = rope.OriginalPositions, factor = rope.Number("factor");
        double stretch = (factor * Math.Max(length, most) / most) - (factor - 1);
        return rope.Frequencies(rope.Theta * Math.Pow(stretch, rope.Size / (rope.Size - 2.0)));
    }

    /// <summary>Llama 3: slow waves are stretched, fast ones stay, those between are blended.</summary>
    private static double[] Llama3(RopeSettings rope, long length)
    {
        double factor = rope.Number("factor"), low = rope.Number("low_freq_factor"), high = rope.Number("high_freq_factor");
        return [.. rope.Frequencies(rope.Theta).Select(frequency =>
        {
            double turns = rope.OriginalPositions * frequency / (2 * Math.PI);
            double kept = Math.Clamp((turns - low) / (high - low), 0, 1);
            return ((1 - kept) * frequency / factor) + (kept * frequency);
        })];
    }

    private sealed record RopeSettings(HfConfig? Section, string Kind, double Theta, int Size, double OriginalPositions)
    {
        public static RopeSettings From(HfConfig config, int size)
        {
            HfConfig? section = config.Has("rope_parameters") ? config.Section("rope_parameters")
                : config.Has("rope_scaling") ? config.Section("rope_scaling") : null;
            string kind = section?.String("rope_type", section.String("type", "default")) ?? "default";
            double theta = section is not null && section.Has("rope_theta") ? section.Double("rope_theta") : config.Double("rope_theta", 10000);
            double positions = config.Int("max_position_embeddings");
            return new RopeSettings(section, kind, theta, size, section?.Double("original_max_position_embeddings", positions) ?? positions);
        }

        public double Number(string key) => Section!.Double(key);

        public double[] Frequencies(double theta) => [.. Enumerable.Range(0, Size / 2).Select(i => Math.Pow(theta, -2.0 * i / Size))];
    }
}
