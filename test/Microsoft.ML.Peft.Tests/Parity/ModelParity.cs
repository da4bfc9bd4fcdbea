using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>A model under its head: logits, loss, hidden states of each layer, gradients, and what a decoder generates.</summary>
internal static class ModelParity
{
    private const string Gradient = "out.grad.", Hidden = "out.hidden.";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        if (parity.Has("in.input_ids"))
            CheckModel(parity);
        foreach (string side in new[] { "right.", "left." }.Where(side => parity.Has($"in.{side}input_ids")))
            CheckSide(parity, side);
    }

    private static void CheckSide(ParityCase parity, string side)
    {
        using var loaded = new LoadedModel(parity, side);
        Tensor logits = loaded.Logits(ForwardContext.Inference);
        parity.Check($"out.{side}logits", logits);
        parity.Check($"out.{side}loss", loaded.Loss(logits));
    }

    private static void CheckModel(ParityCase parity)
    {
        using var loaded = new LoadedModel(parity);
        string[] graded = [.. parity.TensorNames.Where(n => n.StartsWith(Gradient, StringComparison.Ordinal)).Select(n => n[Gradient.Length..])];
        var parameters = loaded.Model.Weights.All.Where(p => graded.Contains(p.Name)).ToList();
        Assert.HasCount(graded.Length, parameters, "A gradient is expected of a weight that the model does not have.");
        parameters.ForEach(p => p.MakeTrainable());

        Tensor logits = loaded.Logits(ForwardContext.Inference);
        parity.Check("out.logits", logits);
        Tensor loss = loaded.Loss(logits);
        parity.Check("out.loss", loss);
        if (parity.Has("out.encoder"))
            parity.Check("out.encoder", ((IEncoderDecoder)loaded.Model).Encode(loaded.Batch, ForwardContext.Inference).States);
        if (parameters.Count > 0)
            BackwardPass.Run(loss);
        parameters.ForEach(p => parity.Check(Gradient + p.Name, p.Value.grad!));
        CheckHidden(parity, loaded);
        GenerationParity.Run(parity, loaded);
    }

    private static void CheckHidden(ParityCase parity, LoadedModel loaded)
    {
        using var noGrad = no_grad();
        var states = new List<Tensor>();
        // What a block gets belongs to the model.
        var context = new ForwardContext { BeforeBlock = input => states.Add(input.clone()) };
        states.Add(loaded.Model.As<TextModel>().Forward(loaded.Batch, PositionSelection.All, context));
        foreach (var (state, layer) in states.Select((state, layer) => (state, layer)).Where(s => parity.Has(Hidden + s.layer)))
            parity.Check(Hidden + layer, state);
    }
}
