using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>RoBERTa (Liu et al. 2019): BERT's layers, positions counted from behind the padding id, other heads.</summary>
internal sealed class Roberta(HfConfig config, WeightScope root) : BertModel(config, root, "roberta")
{
    /// <summary>Positions start behind the padding id, so some rows of the table are never reached.</summary>
    protected override int FirstPosition => Sizes.PadId + 1;

    /// <summary>The first token through dense and tanh, then a linear layer; both train.</summary>
    public override Head CreateSequenceClassificationHead(int labels)
    {
        WeightScope scope = Classifier("classifier", "out_proj.weight", labels);
        return new PooledHead(scope["dense"], scope["out_proj"], HiddenSize, labels)
        {
            InputDropout = ClassifierDropout,
            Dropout = ClassifierDropout,
            TrainsDense = true,
        };
    }

    public override Head CreateMaskedLanguageModelHead()
    {
        WeightScope scope = Root["lm_head"];
        return MaskedLanguageModelHead(scope["dense"], scope["layer_norm"], scope, "gelu");
    }

    // Rows that a tuner rewrote have no ids to tell padding by: places are counted through.
    protected override Tensor PositionIds(ModelInput input)
    {
        if (input.Ids is not { } ids)
            return input.PlacesOrRange() + FirstPosition;
        using var scope = NewDisposeScope();
        // By the ids alone: what a mask hides counts, as in transformers. Padding at the end moves nothing.
        Tensor real = ids.ne(Sizes.PadId).to(ScalarType.Int64);
        return (real.cumsum(1) * real + Sizes.PadId).MoveToOuterDisposeScope();
    }
}
