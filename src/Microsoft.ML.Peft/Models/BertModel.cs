using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>BERT's family: one encoder, below it positions, above it heads that differ in names.</summary>
internal abstract class BertModel : TextModel, ISequenceClassifier, ITokenClassifier, IMaskedLanguageModel, IQuestionAnswerer, ISeveralClassifiers
{
    private readonly BertEncoder _encoder;

    protected BertModel(HfConfig config, WeightScope root, string prefix) : base(config, root)
    {
        Sizes = BertConfig.From(config);
        Base = root[prefix];
        _encoder = new BertEncoder(Base, Sizes, FirstPosition);
    }

    public override int HiddenSize => Sizes.Hidden;

    public override TokenEmbedding Tokens => _encoder.Tokens;

    public override int MaxLength => Sizes.MaxPositions - FirstPosition;

    public override IReadOnlyList<string> DefaultTargets => ["query", "value"];

    /// <summary>The row of the position table that a row begins at.</summary>
    protected virtual int FirstPosition => 0;

    protected BertConfig Sizes { get; }

    protected WeightScope Base { get; }

    protected double ClassifierDropout => Config.Double("classifier_dropout", Sizes.HiddenDropout);

    public override Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context) =>
        _encoder.Forward(batch, PositionIds, rows, context);

    public abstract Head CreateSequenceClassificationHead(int labels);

    public abstract Head CreateMaskedLanguageModelHead();

    public Head CreateTokenClassificationHead(int labels) =>
        new TokenHead(Classifier("classifier", "weight", labels), ClassifierDropout, HiddenSize, labels);

    public Head CreateQuestionAnsweringHead() => new SpanHead(Trained("qa_outputs"), HiddenSize);

    public Head CreateNamedHead(string name, int labels) => new TokenHead(Root["heads"][name], ClassifierDropout, HiddenSize, labels);

    public PositionSelection TextPosition(Batch batch) => PositionSelection.First;

    /// <summary>The row of the position table for each position.</summary>
    /// <returns>[B or 1, S]</returns>
    protected abstract Tensor PositionIds(ModelInput input);

    protected override bool IsOptional(string name) =>
        name.StartsWith("pooler.", StringComparison.Ordinal) || name == "embeddings.position_ids";

    protected Head MaskedLanguageModelHead(WeightScope dense, WeightScope norm, WeightScope scope, string activation) =>
        new MaskedLanguageModelHead(
            scope["decoder"], new Projection(dense, HiddenSize, HiddenSize), new LayerNorm(norm, HiddenSize, Sizes.Epsilon), Activation.Named(activation),
            _encoder.Tokens, scope.Load("bias", Init.Zeros, Sizes.Vocabulary));
}
