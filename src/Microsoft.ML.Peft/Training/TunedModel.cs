using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>A base model, a head and a tuner as one function from a batch to logits.</summary>
internal sealed class TunedModel(PretrainedModel model, Head head, ITuner tuner) : IDisposable
{
    public PretrainedModel Model { get; } = model;

    public Head Head { get; } = head;

    public ITuner Tuner { get; } = tuner;

    public IReadOnlyList<Parameter> Trainable => Tuner.Trainable;

    /// <summary>Numbers in the model and its tuner.</summary>
    public long WeightCount => Model.Weights.All.Concat(Trainable).DistinctBy(weight => weight.Name).Sum(weight => weight.Value.numel())
        + Model.Weights.Quantized.Sum(weight => weight.Inputs * weight.Outputs);

    public Tensor Features(Batch batch, ForwardContext context) => Model.Features(batch, Head, context);

    public Tensor Forward(Batch batch, ForwardContext context)
    {
        using Tensor features = Features(batch, context);
        return Head.Forward(features, batch, context);
    }

    public void Dispose()
    {
        Tuner.Dispose();
        Model.Dispose();
    }
}
