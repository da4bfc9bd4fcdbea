using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.OptimizerStates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training.OptimizerStates;

/// <summary>Trained weights under an optimizer, with gradients that depend on the step alone.</summary>
internal sealed class SteppedWeights : IDisposable
{
    private readonly Parameter[] _parameters;

    public SteppedWeights(TrainingOptimizer kind, params long[] sizes)
    {
        using var random = new Generator(1);
        _parameters = [.. sizes.Select((size, i) => new Parameter($"w{i}", randn(size, generator: random).DetachFromDisposeScope(), owned: true))];
        foreach (Parameter parameter in _parameters)
            parameter.MakeTrainable();
        Optimizer = new Optimizer(_parameters, TinyRun.Settings(new() { Optimizer = kind }));
    }

    public Optimizer Optimizer { get; }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    public float[][] Values
    {
        get
        {
            using var scope = NewDisposeScope();
            return [.. _parameters.Select(p => p.Value.detach().data<float>().ToArray())];
        }
    }

    public void Step(int number)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator((ulong)number);
        foreach (Parameter parameter in _parameters)
            parameter.Value.grad = (randn(parameter.Value.shape, generator: random) * 0.1).detach();
        Optimizer.Step(1e-3, gradientScale: 0.5);
        Optimizer.ClearGradients();
    }

    public void AssertSameBits(SteppedWeights other)
    {
        foreach (var (mine, others) in Values.Zip(other.Values))
            CollectionAssert.AreEqual(mine, others);
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        foreach (Parameter parameter in _parameters)
            parameter.Dispose();
    }
}
