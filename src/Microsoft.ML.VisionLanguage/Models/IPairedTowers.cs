using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>A model that puts pictures and texts into one space.</summary>
internal interface IPairedTowers
{
    /// <summary>The logarithm of what cosines are multiplied with to be logits.</summary>
    Parameter Scale { get; }

    /// <param name="pixels">[B, channels, height, width], normalised.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width of the space]</returns>
    Tensor EncodePictures(Tensor pixels, ForwardContext context);

    /// <param name="batch">The texts.</param>
    /// <param name="rows">The positions that are read.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, positions, width of the space]</returns>
    Tensor EncodeTexts(Batch batch, RowSelection rows, ForwardContext context);
}
