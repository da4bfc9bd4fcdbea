using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A model that reads from left to right: positions, masks and heads that all decoders share.</summary>
internal abstract class DecoderModel(HfConfig config, WeightScope root) : TextModel(config, root), IContinuesTexts, ISequenceClassifier, ITokenClassifier, ISeveralClassifiers
{
    public override TokenEmbedding Tokens => Input.Tokens;

    public override bool IsCausal => true;

    /// <summary>How many layers keep keys and values.</summary>
    public abstract int LayerCount { get; }

    /// <summary>Where rows enter.</summary>
    protected abstract InputSite Input { get; }

    /// <summary>The first layer's attention, whose prefixes are as long as those of all others.</summary>
    protected abstract AttentionSite FirstAttention { get; }

    /// <summary>The matrix from hidden states to the vocabulary.</summary>
    protected abstract Projection Output { get; }

    /// <summary>The module of a classifier of tokens in Hugging Face's model.</summary>
    protected virtual string TokenClassifier => "score";

    private double ClassifierDropout => Config.Double("classifier_dropout", Config.Double("hidden_dropout", 0.1));

    public Head CreateLanguageModelHead() => new LanguageModelHead(Output);

    public Head CreateSequenceClassificationHead(int labels) => new LastTokenHead(Classifier("score", "weight", labels), HiddenSize, labels);

    public Head CreateTokenClassificationHead(int labels) =>
        new TokenHead(Classifier(TokenClassifier, "weight", labels), ClassifierDropout, HiddenSize, labels);

    public Head CreateNamedHead(string name, int labels) => new TokenHead(Root["heads"][name], ClassifierDropout, HiddenSize, labels);

    public PositionSelection TextPosition(Batch batch) => LastToken.Of(batch);

    public IReadOnlyList<int[]> PromptsOf(Batch batch) => [.. batch.Examples.Select(row => row.Ids)];

    public IDecodingSession Open(Head head, Batch batch, ForwardContext context) => Open(head, context);

    public IJoinableSession Open(Head head, ForwardContext context) => new DecoderSession(this, head, context);

    public override Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context)
    {
        // What the layers share is left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        ModelInput input = Place(Input.Enter(batch, rows, context));
        return Forward(DecoderPass.Begin(input, PrefixColumns.Of(FirstAttention, context), context.Cache), context);
    }

    /// <summary>What entered, with the places that the model gives it; by default they are counted through, padding included.</summary>
    protected virtual ModelInput Place(ModelInput input) => input;

    /// <summary>Last hidden states, normed, of the positions that the pass reads.</summary>
    protected abstract Tensor Forward(DecoderPass pass, ForwardContext context);

    /// <summary>Runs layers one after another; the last one computes only the positions that are read.</summary>
    protected static Tensor Run<T>(Tensor hidden, IReadOnlyList<T> layers, DecoderPass pass, ForwardContext context, Func<T, int, Tensor, PositionSelection, Tensor> forward)
    {
        for (int i = 0; i < layers.Count; i++)
        {
            (T layer, int index) = (layers[i], i);
            PositionSelection read = i == layers.Count - 1 ? pass.Rows : PositionSelection.All;
            Tensor next = context.Block(hidden, x => forward(layer, index, x, read));
            hidden.Dispose();
            hidden = next;
        }
        return hidden;
    }
}
