using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A model that reads a text with one stack and writes another with a second one, which attends to the first.</summary>
[Capability("writes on with what it reads: it has no encoder beside its decoder")]
internal interface IEncoderDecoder : IWritesTexts
{
    /// <summary>Layers of the decoder, each of which keeps keys and values in a session.</summary>
    int DecoderLayers { get; }

    /// <summary>The token that every written text begins with.</summary>
    int StartId { get; }

    /// <summary>
    /// The encoder's last hidden states [B, S, hidden], and which of cross-attention's keys are real: those of tuners among them
    /// [B, keys]; null when all are.
    /// </summary>
    (Tensor States, Tensor? Real) Encode(Batch batch, ForwardContext context);

    /// <summary>The decoder's last hidden states of the positions that are read, behind <see cref="ForwardContext.Memory"/>.</summary>
    /// <param name="batch">The decoder's own tokens.</param>
    /// <param name="rows">What is read.</param>
    /// <param name="context">The call, with its memory.</param>
    Tensor Decode(Batch batch, PositionSelection rows, ForwardContext context);
}
