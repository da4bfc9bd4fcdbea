using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>The keys and values that a model without tuners makes of tokens: what a prefix may start from.</summary>
internal static class TokenKeys
{
    /// <param name="model">The model.</param>
    /// <param name="ids">A text; an encoder-decoder reads it in both parts.</param>
    /// <returns>Each attention's, turned to their positions [tokens, groups, size]; they belong to the caller's scope.</returns>
    /// <exception cref="NotSupportedException">The model reads more than texts.</exception>
    public static IReadOnlyDictionary<AttentionSite, (Tensor Keys, Tensor Values)> Of(PretrainedModel model, IReadOnlyList<int> ids)
    {
        var found = new Dictionary<AttentionSite, (Tensor Keys, Tensor Values)>();
        using var noGrad = no_grad();
        using (var scope = NewDisposeScope())
        {
            TextModel reader = model.As<TextModel>();
            Tensor row = tensor([.. ids.Select(id => (long)id)], ScalarType.Int64, model.Weights.Device).unsqueeze(0);
            using var batch = new Batch { Ids = row, DecoderIds = row.alias(), PadsEnd = true, Examples = [] };
            reader.Forward(batch, PositionSelection.All, new ForwardContext { Adapter = null, SeesKeys = (site, keys, values) => found[site] = (Rows(keys), Rows(values)) });
        }
        return found;

        // The only row's, in memory of their own, since a kernel may work in place.
        static Tensor Rows(Tensor heads) => heads.select(0, 0).transpose(0, 1).clone().DetachFromDisposeScope();
    }
}
