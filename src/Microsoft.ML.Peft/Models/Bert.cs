using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>BERT (Devlin et al. 2018).</summary>
[Architecture("bert", "bert")]
internal sealed class Bert : PretrainedModel
{
    private readonly BertConfig _config;
    private readonly BertEncoder _encoder;

    public Bert(HfConfig config, ModelWeights weights) : base(config, weights)
    {
        _config = BertConfig.From(config);
        _encoder = new BertEncoder(weights.Root["bert"], _config);
    }

    public override int HiddenSize => _config.Hidden;

    public override int MaxLength => _config.Positions;

    public override IReadOnlyList<string> DefaultTargets => ["query", "value"];

    protected override bool IsOptional(string name) =>
        name.StartsWith("pooler.", StringComparison.Ordinal) || name == "embeddings.position_ids";

    public override Tensor Forward(Batch batch, RowSelection rows, ForwardContext context)
    {
        using Tensor positions = arange(batch.Ids.shape[1], device: batch.Ids.device).unsqueeze(0);
        return _encoder.Forward(batch.Ids, positions, batch.TypeIds, batch.Mask, rows, context);
    }

    public override Head CreateSequenceClassificationHead(int labels) =>
        new PooledHead(Weights, _config.HiddenDropout, HiddenSize, labels);

    public override Head CreateTokenClassificationHead(int labels) =>
        new TokenHead(Weights.Root["classifier"], Config.Double("classifier_dropout", _config.HiddenDropout), HiddenSize, labels);

    public override Head CreateMaskedLanguageModelHead()
    {
        WeightScope scope = Weights.Root["cls"]["predictions"];
        return new MaskedLanguageModelHead(
            scope["decoder"], new Projection(scope["transform"]["dense"], HiddenSize, HiddenSize),
            new Norm(scope["transform"]["LayerNorm"], HiddenSize, _config.Epsilon),
            Activation.Named(_config.Activation), _encoder.WordTable, scope.Load("bias", Init.Zeros, _config.Vocabulary));
    }

    /// <summary>[CLS] through the pooler (dense, tanh), then a linear classifier.</summary>
    private sealed class PooledHead : Head
    {
        private readonly Projection _pooler, _classifier;
        private readonly double _dropout;
        private readonly bool _trainsPooler;

        public PooledHead(ModelWeights weights, double dropout, int hidden, int labels)
        {
            WeightScope pooler = weights.Root["bert"]["pooler"]["dense"];
            // A checkpoint of masked language modelling has no pooler: a new one must train.
            _trainsPooler = !weights.Brings(pooler.Path + ".weight");
            (_pooler, _dropout) = (new Projection(pooler, hidden, hidden), dropout);
            _classifier = new Projection(weights.Root["classifier"], hidden, labels);
        }

        public override IReadOnlyList<Parameter> Parameters =>
            _trainsPooler ? [.. _pooler.Parameters, .. _classifier.Parameters] : _classifier.Parameters;

        public override RowSelection Rows(Batch batch) => RowSelection.First;

        public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
        {
            using var scope = NewDisposeScope();
            Tensor pooled = context.Dropout(tanh(_pooler.Forward(hidden.squeeze(1), context)), _dropout);
            return _classifier.Forward(pooled, context).MoveToOuterDisposeScope();
        }
    }
}
