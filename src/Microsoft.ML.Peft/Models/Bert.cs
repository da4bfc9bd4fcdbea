using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>BERT (Devlin et al. 2018).</summary>
internal sealed class Bert(HfConfig config, WeightScope root) : BertModel(config, root, "bert")
{
    /// <summary>[CLS] through the pooler (dense, tanh), then a linear classifier.</summary>
    public override Head CreateSequenceClassificationHead(int labels)
    {
        WeightScope dense = Base["pooler"]["dense"];
        // A checkpoint of masked language modelling has no pooler: a new one must train.
        bool trainsPooler = !Weights.Sources.Brings(dense.Path + ".weight");
        return new PooledHead(dense, Classifier("classifier", "weight", labels), HiddenSize, labels)
        {
            Dropout = ClassifierDropout,
            TrainsDense = trainsPooler,
        };
    }

    public override Head CreateMaskedLanguageModelHead()
    {
        WeightScope scope = Root["cls"]["predictions"];
        return MaskedLanguageModelHead(scope["transform"]["dense"], scope["transform"]["LayerNorm"], scope, Sizes.Activation);
    }

    protected override Tensor PositionIds(ModelInput input) => input.PlacesOrRange();
}
