using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A model of texts: token ids in, hidden states out.</summary>
[Capability("is no model of texts alone")]
internal abstract class TextModel(HfConfig config, WeightScope root) : PretrainedModel(config, root), IReadsTokens
{
    public abstract int HiddenSize { get; }

    public abstract TokenEmbedding Tokens { get; }

    public abstract int MaxLength { get; }

    /// <summary>Whether a token sees only those before it.</summary>
    public virtual bool IsCausal => false;

    /// <summary>Last hidden states of the positions that <paramref name="rows"/> selects.</summary>
    /// <returns>[B, positions, hidden]</returns>
    public abstract Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context);

    public sealed override Tensor Features(Batch batch, Head head, ForwardContext context) => Forward(batch, head.Rows(batch), context);
}
