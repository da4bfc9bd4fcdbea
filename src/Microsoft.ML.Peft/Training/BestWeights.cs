using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>A copy of what trains, as it was at the best evaluation.</summary>
internal sealed class BestWeights(IReadOnlyList<Parameter> parameters) : IDisposable
{
    private readonly Dictionary<string, Tensor> _copies = new(StringComparer.Ordinal);

    public IEnumerable<(string Name, Tensor Value)> Export() => _copies.Select(entry => (entry.Key, entry.Value));

    public void Keep()
    {
        foreach (Parameter parameter in parameters)
            Import(parameter.Name, parameter.Value);
    }

    public void Import(string name, Tensor value)
    {
        using var noGrad = no_grad();
        if (_copies.TryGetValue(name, out Tensor? copy))
            copy.copy_(value);
        else
            _copies.Add(name, value.clone().DetachFromDisposeScope());
    }

    /// <summary>Gives the model the copy back; leaves it as it is where there is none.</summary>
    public void Restore()
    {
        foreach (Parameter parameter in parameters)
        {
            if (_copies.TryGetValue(parameter.Name, out Tensor? copy))
                parameter.Assign(copy);
        }
    }

    public void Dispose()
    {
        foreach (Tensor copy in _copies.Values)
            copy.Dispose();
    }
}
