using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>A model with a tower of pictures and one of texts, which puts both into one space. Heads get [B, towers that read, width], pictures first.</summary>
[Capability("has no tower of pictures beside one of texts")]
internal interface IPairedTowers
{
    /// <summary>The width of the space.</summary>
    int Width { get; }

    /// <summary>The logarithm of what cosines are multiplied with to be logits.</summary>
    Parameter Scale { get; }

    /// <summary>What is added to them then, of a model whose loss is the sigmoid's (SigLIP); null for one that chooses by a softmax (CLIP).</summary>
    Parameter? Bias => null;
}

/// <summary>What the towers say, as it is or at length 1.</summary>
internal sealed class TowersHead(bool normalizes) : Head
{
    public override IReadOnlyList<Parameter> Parameters => [];

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) =>
        normalizes ? nn.functional.normalize(hidden, 2, -1, 1e-12) : hidden.alias();
}
