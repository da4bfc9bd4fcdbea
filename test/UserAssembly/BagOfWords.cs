using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace UserAssembly;

/// <summary>The mean of a text's words, each through one layer. Words and layer are bases of their own.</summary>
internal sealed class BagOfWords : TextModel, IRatesTexts
{
    private readonly Projection _mixer;

    public BagOfWords(HfConfig config, ModelWeights weights) : base(config, weights)
    {
        HiddenSize = config.Int("hidden_size");
        Tokens = TokenEmbedding.OfVocabulary(weights.Root["words"], config.Int("vocab_size"), HiddenSize);
        _mixer = new Projection(weights.Root["mixer"], HiddenSize, HiddenSize);
    }

    public override int HiddenSize { get; }

    public override TokenEmbedding Tokens { get; }

    public override int MaxLength => 128;

    public override IReadOnlyList<string> DefaultTargets => ["mixer"];

    public Head CreateRatingHead() => new RatingHead(Weights.Root["rating"], HiddenSize);

    /// <returns>[B, 1, hidden]</returns>
    public override Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor words = _mixer.Forward(Tokens.Forward(batch.Ids, context), context).tanh();
        if (batch.Mask is not { } mask)
            return words.mean([1], keepdim: true).MoveToOuterDisposeScope();
        Tensor real = mask.unsqueeze(-1).to(words.dtype);
        return ((words * real).sum(1, keepdim: true) / real.sum(1, keepdim: true)).MoveToOuterDisposeScope();
    }

    protected override bool IsOptional(string name) => false;
}

/// <summary>Says how many stars a text gives.</summary>
[Capability("rates no texts")]
internal interface IRatesTexts
{
    Head CreateRatingHead();
}

/// <summary>One number for what a text is.</summary>
internal sealed class RatingHead(WeightScope scope, int hidden) : Head
{
    private readonly Projection _rating = new(scope, hidden, 1);

    public override IReadOnlyList<Parameter> Parameters => _rating.Parameters;

    /// <returns>[B, 1]</returns>
    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        return _rating.Forward(hidden.squeeze(1), context).MoveToOuterDisposeScope();
    }
}
