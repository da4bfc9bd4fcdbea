using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW computes it. Ours, because its state
/// can be taken out and put back to the bit, and because a native kernel can do the step. A parameter without a gradient
/// is left alone: neither decay nor momentum moves it.
/// </summary>
internal sealed class AdamW(IReadOnlyList<Parameter> parameters, TrainingOptions options) : IDisposable
{
    private static readonly IAdamWKernel Torch = new TorchAdamW(), Native = new NativeAdamW();
    private readonly Dictionary<string, Moments> _moments = new(StringComparer.Ordinal);

    /// <summary>Updates every parameter that has a gradient.</summary>
    /// <param name="learningRate">The rate of this step, which parameters may scale.</param>
    /// <param name="gradientScale">What the gradients are multiplied by first.</param>
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

    public void ClearGradients()
    {
        foreach (Parameter parameter in parameters)
            parameter.Value.grad = null;
    }

    /// <summary>The state by parameter; the tensors stay the optimizer's.</summary>
    public IEnumerable<(string Name, Tensor Mean, Tensor Variance, int Steps)> Export() =>
        _moments.Select(entry => (entry.Key, entry.Value.Mean, entry.Value.Variance, entry.Value.Steps));

    /// <summary>Takes a state over; the tensors are copied.</summary>
    public void Import(string name, Tensor mean, Tensor variance, int steps)
    {
        Moments moments = MomentsOf(parameters.First(p => p.Name == name));
        moments.Mean.copy_(mean);
        moments.Variance.copy_(variance);
        moments.Steps = steps;
    }

    public void Dispose()
    {
        foreach (Moments moments in _moments.Values)
            moments.Dispose();
    }

    private void Update(Parameter parameter, Tensor gradient, double learningRate, double gradientScale)
    {
        Moments moments = MomentsOf(parameter);
        var step = new AdamWStep(++moments.Steps)
        {
            LearningRate = learningRate * parameter.LearningRateScale,
            Beta1 = options.Beta1,
            Beta2 = options.Beta2,
            Epsilon = options.Epsilon,
            WeightDecay = parameter.IsMatrix || options.DecayBiasesAndNorms ? options.WeightDecay : 0,
            GradientScale = gradientScale,
        };
        IAdamWKernel kernel = NativeAdamW.Takes(parameter.Value, gradient) ? Native : Torch;
        kernel.Step(parameter.Value, gradient, moments.Mean, moments.Variance, step);
    }

    private Moments MomentsOf(Parameter parameter)
    {
        if (!_moments.TryGetValue(parameter.Name, out Moments? moments))
            _moments.Add(parameter.Name, moments = new Moments(parameter.Value));
        return moments;
    }

    private sealed class Moments(Tensor parameter) : IDisposable
    {
        public Tensor Mean { get; } = Zeros(parameter);

        public Tensor Variance { get; } = Zeros(parameter);

        public int Steps { get; set; }

        public void Dispose()
        {
            Mean.Dispose();
            Variance.Dispose();
        }

        private static Tensor Zeros(Tensor parameter) =>
            zeros(parameter.shape, parameter.dtype, parameter.device).DetachFromDisposeScope();
    }
}
