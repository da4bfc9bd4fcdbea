using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>The symmetric contrastive loss of a batch of pairs (Radford et al. 2021): each picture picks its text out of all, and each text its picture.</summary>
internal static class ContrastiveLoss
{
    /// <param name="pictures">[B, width], of length 1.</param>
    /// <param name="texts">[B, width], of length 1.</param>
    /// <param name="scale">The logarithm of what cosines are multiplied with.</param>
    /// <returns>[pictures, texts]</returns>
    public static Tensor Logits(Tensor pictures, Tensor texts, Tensor scale)
    {
        using var scope = NewDisposeScope();
        return (pictures.mm(texts.t()) * scale.exp()).MoveToOuterDisposeScope();
    }

    /// <summary>The mean over the pairs.</summary>
    /// <param name="logits">[pictures, texts], each picture's text in its own place.</param>
    public static Tensor Of(Tensor logits)
    {
        using var scope = NewDisposeScope();
        Tensor own = arange(0, logits.size(0), ScalarType.Int64, logits.device);
        Tensor sum = Peft.Layers.Elementwise.Add(nn.functional.cross_entropy(logits, own), nn.functional.cross_entropy(logits.t(), own));
        return (sum * 0.5).MoveToOuterDisposeScope();
    }
}
