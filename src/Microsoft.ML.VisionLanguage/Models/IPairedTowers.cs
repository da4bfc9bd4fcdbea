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
    Parameter? Bias { get; }
}

/// <summary>The part of a model that reads pictures.</summary>
internal interface IPictureTower
{
    /// <summary>What stands at each place of a picture.</summary>
    /// <param name="pixels">[B, channels, side, side], normalised.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, places, hidden]</returns>
    /// <exception cref="ArgumentException">The pictures are of another size than the model's.</exception>
    Tensor States(Tensor pixels, ForwardContext context);

    /// <summary>What the picture is, in the space that it shares with texts.</summary>
    /// <param name="pixels">[B, channels, side, side], normalised.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width]</returns>
    /// <exception cref="ArgumentException">The pictures are of another size than the model's.</exception>
    Tensor Encode(Tensor pixels, ForwardContext context);
}

/// <summary>The part of a model that reads texts.</summary>
internal interface ITextTower
{
    /// <summary>The table of the tokens.</summary>
    TokenEmbedding Tokens { get; }

    /// <summary>The longest text in tokens.</summary>
    int MaxLength { get; }

    /// <summary>What the text says, in the space that it shares with pictures.</summary>
    /// <param name="batch">The texts.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width]</returns>
    Tensor Encode(Batch batch, ForwardContext context);
}

/// <summary>What the towers say, as it is or at length 1.</summary>
internal sealed class TowersHead(bool normalizes) : Head
{
    public override IReadOnlyList<Parameter> Parameters => [];

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) =>
        normalizes ? nn.functional.normalize(hidden, 2, -1, 1e-12) : hidden.alias();
}
