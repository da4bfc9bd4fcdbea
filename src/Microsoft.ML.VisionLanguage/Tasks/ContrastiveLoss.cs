using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>
/// The losses of a batch of pairs, each row and column of whose logits is a choice: of one text out of all (CLIP, Radford et al. 2021), or of
/// yes or no for each by itself (SigLIP, Zhai et al. 2023). Both are means over the pairs.
/// </summary>
internal static class ContrastiveLoss
{
    /// <param name="pictures">[B, width], of length 1.</param>
    /// <param name="texts">[B, width], of length 1.</param>
    /// <param name="scale">The logarithm of what cosines are multiplied with.</param>
    /// <param name="bias">What is added then; null for nothing.</param>
    /// <returns>[pictures, texts]</returns>
    public static Tensor Logits(Tensor pictures, Tensor texts, Tensor scale, Tensor? bias = null)
    {
        using var scope = NewDisposeScope();
        Tensor logits = pictures.mm(texts.t()) * scale.exp();
        return (bias is null ? logits : logits + bias).MoveToOuterDisposeScope();
    }

    /// <summary>Each picture picks its text out of all, and each text its picture.</summary>
    /// <param name="logits">[pictures, texts], each picture's text in its own place.</param>
    /// <param name="alike">True where a picture and a text of another row belong together as well, and are no choice [B, B], symmetric; null for nowhere.</param>
    public static Tensor Softmax(Tensor logits, Tensor? alike = null)
    {
        using var scope = NewDisposeScope();
        Tensor choices = alike is null ? logits : logits.masked_fill(alike, double.NegativeInfinity);
        Tensor own = arange(0, logits.size(0), ScalarType.Int64, logits.device);
        Tensor sum = Elementwise.Add(nn.functional.cross_entropy(choices, own), nn.functional.cross_entropy(choices.t(), own));
        return (sum * 0.5).MoveToOuterDisposeScope();
    }

    /// <summary>Each picture says of each text by itself whether they belong together: -Σ log σ(±logit) / B.</summary>
    /// <inheritdoc cref="Softmax"/>
    public static Tensor Sigmoid(Tensor logits, Tensor? alike = null)
    {
        using var scope = NewDisposeScope();
        Tensor signs = eye(logits.size(0), dtype: logits.dtype, device: logits.device).mul_(2).sub_(1);
        Tensor right = nn.functional.logsigmoid(logits * signs);
        if (alike is not null)
            right = right.masked_fill(alike, 0);
        return (right.sum() / -logits.size(0)).MoveToOuterDisposeScope();
    }
}
