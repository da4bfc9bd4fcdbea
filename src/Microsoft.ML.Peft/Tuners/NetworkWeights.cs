using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>Makes the weights of a <see cref="TableNetwork"/> with PyTorch's first values, and keeps what it made.</summary>
/// <param name="path">What the names begin with.</param>
/// <param name="generator">The source of chance.</param>
internal sealed class NetworkWeights(string path, Generator generator)
{
    private readonly List<Parameter> _all = [];

    public IReadOnlyList<Parameter> All => _all;

    /// <summary>An embedding of each row [rows, width]: N(0, 1), or the given values.</summary>
    public Parameter Embedding(long rows, long width, Tensor? start = null) => Add(
        "embedding.weight", start ?? normal(0, 1, [rows, width], ScalarType.Float32, generator.device, generator: generator));

    /// <summary>A linear layer: within 1/√inputs.</summary>
    public NetworkLayer Linear(string name, long inputs, long outputs)
    {
        double bound = 1 / Math.Sqrt(inputs);
        return new NetworkLayer(Uniform($"{name}.weight", bound, outputs, inputs), Uniform($"{name}.bias", bound, outputs));
    }

    /// <summary>Values from -bound to bound.</summary>
    public Parameter Uniform(string name, double bound, params long[] shape) =>
        Add(name, empty(shape, ScalarType.Float32, generator.device).uniform_(-bound, bound, generator));

    private Parameter Add(string name, Tensor values)
    {
        var parameter = new Parameter($"{path}.{name}", values.DetachFromDisposeScope(), owned: true);
        _all.Add(parameter);
        return parameter;
    }
}

/// <summary>A linear layer.</summary>
internal sealed record NetworkLayer(Parameter Weight, Parameter Bias)
{
    public Tensor Forward(Tensor x) => nn.functional.linear(x, Weight.Value, Bias.Value);
}
