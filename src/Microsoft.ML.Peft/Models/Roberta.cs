using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>RoBERTa (Liu et al. 2019): BERT's layers, positions counted from behind the padding id, other heads.</summary>
[Architecture("roberta", "roberta")]
internal sealed class Roberta : PretrainedModel
{
    private readonly BertConfig _config;
    private readonly BertEncoder _encoder;

    public Roberta(HfConfig config, ModelWeights weights) : base(config, weights)
    {
        _config = BertConfig.From(config);
        _encoder = new BertEncoder(weights.Root["roberta"], _config);
    }

    public override int HiddenSize => _config.Hidden;

    /// <summary>Positions start behind the padding id, so some rows of the table are never reached.</summary>
    public override int MaxLength => _config.Positions - _config.PadId - 1;

    public override IReadOnlyList<string> DefaultTargets => ["query", "value"];

    protected override bool IsOptional(string name) =>
        name.StartsWith("pooler.", StringComparison.Ordinal) || name == "embeddings.position_ids";

    public override Tensor Forward(Batch batch, RowSelection rows, ForwardContext context)
    {
        using Tensor positions = Positions(batch.Ids);
        return _encoder.Forward(batch.Ids, positions, batch.TypeIds, batch.Mask, rows, context);
    }

    public override Head CreateSequenceClassificationHead(int labels) =>
        new ClassificationHead(Weights.Root["classifier"], Config.Double("classifier_dropout", _config.HiddenDropout), HiddenSize, labels);

    public override Head CreateTokenClassificationHead(int labels) =>
        new TokenHead(Weights.Root["classifier"], Config.Double("classifier_dropout", _config.HiddenDropout), HiddenSize, labels);

    public override Head CreateMaskedLanguageModelHead()
    {
        WeightScope scope = Weights.Root["lm_head"];
        return new MaskedLanguageModelHead(
            scope["decoder"], new Projection(scope["dense"], HiddenSize, HiddenSize), new Norm(scope["layer_norm"], HiddenSize, _config.Epsilon),
            Activation.Named("gelu"), _encoder.WordTable, scope.Load("bias", Init.Zeros, _config.Vocabulary));
    }

    private Tensor Positions(Tensor ids)
    {
        using var scope = NewDisposeScope();
        Tensor real = ids.ne(_config.PadId).to(ScalarType.Int64);
        return (real.cumsum(1) * real + _config.PadId).MoveToOuterDisposeScope();
    }

    /// <summary>The first token through dense and tanh, then a linear layer; both train.</summary>
    private sealed class ClassificationHead(WeightScope scope, double dropout, int hidden, int labels) : Head
    {
        private readonly Projection _dense = new(scope["dense"], hidden, hidden);
        private readonly Projection _out = new(scope["out_proj"], hidden, labels);

        public override IReadOnlyList<Parameter> Parameters => [.. _dense.Parameters, .. _out.Parameters];

        public override RowSelection Rows(Batch batch) => RowSelection.First;

        public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
        {
            using var blockScope = NewDisposeScope();
            Tensor pooled = tanh(_dense.Forward(context.Dropout(hidden.squeeze(1), dropout), context));
            return _out.Forward(context.Dropout(pooled, dropout), context).MoveToOuterDisposeScope();
        }
    }
}
