using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A model of parts each of which reads a row by itself: where nothing in a part trains, what it says of a row is worked out once.</summary>
[Capability("has no parts that read a row by themselves")]
internal interface IReadsInParts
{
    IReadOnlyList<ModelPart> Parts { get; }
}

/// <summary>A part that reads a row by itself.</summary>
/// <param name="Says">What it says, as a field of a row [width]: over a batch that has it the model runs without the part.</param>
/// <param name="Replaces">What nobody else reads of a row, and is left out once it has that; null for nothing.</param>
/// <param name="Run">From a batch to what it says [B, 1, width]; null where the batch has nothing that it reads.</param>
internal sealed record ModelPart(Field<float> Says, Field? Replaces, Func<Batch, ForwardContext, Tensor?> Run);
