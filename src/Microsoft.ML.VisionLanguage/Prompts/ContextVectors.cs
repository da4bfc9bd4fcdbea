using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Prompts;

/// <summary>Learned vectors in the place of a prompt's words, at the entrance of the tower of texts (CoOp, Zhou et al. 2022).</summary>
/// <param name="vectors">[context, width] for all classes, or [classes, context, width].</param>
/// <param name="prompts">The texts that they enter.</param>
internal sealed class ContextVectors(Parameter vectors, ClassPrompts prompts) : IInputTuner
{
    /// <summary>The vectors of one class.</summary>
    private long Count => vectors.Value.size((int)vectors.Value.dim() - 2);

    int IInputTuner.Count => (int)Count;

    public ModelInput Change(ModelInput input, ForwardContext context)
    {
        Tensor own = vectors.Value.dim() == 2 ? vectors.Value.unsqueeze(0) : vectors.Value;
        Tensor order = prompts.Order((int)input.Length, (int)Count, input.Device);
        Tensor all = cat([input.Embeddings, own.expand(input.Count, -1, -1)], 1);
        return input with
        {
            Ids = null,
            Embeddings = all.gather(1, order.unsqueeze(-1).expand(-1, -1, all.size(2))),
            Mask = input.Mask is null ? null : cat([input.Mask, ones([input.Count, Count], ScalarType.Bool, input.Device)], 1).gather(1, order),
            // An end token stands behind all that enters.
            Rows = input.Rows.Behind(Count),
        };
    }
}
