using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training.OptimizerStates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW computes it, or SGD with momentum. Ours, because its state
/// can be taken out and put back to the bit and be held in several ways, and because a native kernel can do the step. A
/// parameter without a gradient is left alone: neither decay nor momentum moves it.
/// </summary>
internal sealed class Optimizer(IReadOnlyList<Parameter> parameters, TrainingSettings options) : IDisposable
{
    private readonly OptimizerLayout _layout = OptimizerLayout.Of(options.Optimizer);
    private readonly IStateMemory _memory = OptimizerLayout.Of(options.Optimizer).CreateMemory();
    private readonly Dictionary<string, Moments> _moments = new(StringComparer.Ordinal);

    /// <summary>The memory that the state takes.</summary>
    public long StateBytes => _moments.Values.Sum(moments => moments.Bytes);

    /// <summary>Updates every parameter that has a gradient.</summary>
    /// <param name="learningRate">The rate of this step, which parameters may scale.</param>
    /// <param name="gradientScale">What the gradients are multiplied by first.</param>
    /// <exception cref="IOException">The state is paged, and the disk has no room for it.</exception>
    public void Step(double learningRate, double gradientScale)
    {
        using var noGrad = no_grad();
        foreach (Parameter parameter in parameters)
        {
            using Tensor? gradient = parameter.Value.grad;
            if (gradient is not null)
                Update(parameter, gradient, learningRate, gradientScale);
        }
    }

    public void ClearGradients() => parameters.ClearGradients();

    /// <summary>The state by parameter; the tensors stay the optimizer's.</summary>
    public IEnumerable<(string Name, int Steps, IEnumerable<(string Part, Tensor Value)> Parts)> Export() =>
        _moments.Select(entry => (entry.Key, entry.Value.Steps, entry.Value.Export()));

    /// <summary>Takes a state over; the tensors are copied.</summary>
    /// <param name="name">The parameter.</param>
    /// <param name="steps">Steps that it took.</param>
    /// <param name="read">Gives the tensor of each part.</param>
    public void Import(string name, int steps, Func<string, Tensor> read)
    {
        Moments moments = MomentsOf(parameters.First(p => p.Name == name));
        moments.Import(read);
        moments.Steps = steps;
    }

    public void Dispose()
    {
        foreach (Moments moments in _moments.Values)
            moments.Dispose();
        _memory.Dispose();
    }

    private void Update(Parameter parameter, Tensor gradient, double learningRate, double gradientScale)
    {
        Moments moments = MomentsOf(parameter);
        moments.Step(parameter.Value, gradient, new AdamWStep(++moments.Steps)
        {
            LearningRate = learningRate * parameter.LearningRateScale,
            Beta1 = options.Given.Beta1,
            Beta2 = options.Given.Beta2,
            Epsilon = options.Given.Epsilon,
            WeightDecay = parameter.IsMatrix || options.Given.DecayBiasesAndNorms ? options.WeightDecay : 0,
            GradientScale = gradientScale,
        });
    }

    private Moments MomentsOf(Parameter parameter)
    {
        if (!_moments.TryGetValue(parameter.Name, out Moments? moments))
            _moments.Add(parameter.Name, moments = _layout.Format.Create(parameter.Value, _memory));
        return moments;
    }
}
