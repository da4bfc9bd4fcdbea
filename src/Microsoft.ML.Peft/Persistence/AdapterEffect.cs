using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Whether an adapter changes what its model makes of a text: one that does not has learnt nothing, or its files hold nothing.</summary>
internal static class AdapterEffect
{
    private const int Tokens = 8;

    /// <summary>Runs a model of texts over a few tokens, bare and under an adapter, and says so where that is the same to the bit.</summary>
    /// <param name="model">The model; one that is none of texts is not looked at.</param>
    /// <param name="tuner">The adapter; weights of the model itself are none.</param>
    /// <param name="key">Its name in the slots.</param>
    /// <param name="description">What it is, for the message.</param>
    /// <param name="warn">Is told; null where nobody listens.</param>
    public static void Check(PretrainedModel model, ITuner tuner, string key, string description, Action<string>? warn)
    {
        if (warn is null || !tuner.IsAdapter || model is not TextModel text)
            return;
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        Tensor bare = StatesOf(text, null), tuned = StatesOf(text, key);
        if (bare.Sizes().SequenceEqual(tuned.Sizes()) && bare.eq(tuned).all().item<bool>())
            warn($"{description} changes nothing of what the model makes of a text: it learnt nothing, or what it learnt is not there.");
    }

    private static Tensor StatesOf(TextModel model, string? adapter)
    {
        Tensor ids = arange(1, Tokens + 1, ScalarType.Int64, model.Weights.Device).remainder(model.Tokens.Weight.Outputs).unsqueeze(0);
        // What a decoder of two stacks is given to read; others have no use for it.
        var batch = new Batch { Ids = ids, DecoderIds = ids, PadsEnd = true, Examples = [] };
        return model.Forward(batch, PositionSelection.End(Tokens), new ForwardContext { Adapter = adapter });
    }
}
