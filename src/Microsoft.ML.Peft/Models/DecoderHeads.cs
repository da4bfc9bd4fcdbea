using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>Logits over the vocabulary of the token that follows each position.</summary>
internal sealed class LanguageModelHead(Projection output) : Head
{
    // A matrix that the checkpoint brings knows its work already.
    public override IReadOnlyList<Parameter> Parameters => [.. output.Parameters.Where(p => p.IsNew)];

    /// <summary>The output matrix: the model's own, or the table of its tokens where they are tied.</summary>
    /// <param name="scope">The matrix's module.</param>
    /// <param name="tokens">The table.</param>
    /// <param name="tied">Whether it is the matrix too.</param>
    public static Projection OutputOf(WeightScope scope, TokenEmbedding tokens, bool tied)
    {
        WeightStore table = tokens.Weight;
        var output = new Projection(scope, tied ? table : scope.LoadVocabulary(table.Outputs, table.Inputs), null);
        scope.Sites.AddOutput(output, tokens);
        return output;
    }

    public override PositionSelection Rows(Batch batch) => batch.ReadPositions is { } at ? PositionSelection.At(at) : PositionSelection.All;

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) => output.Forward(hidden, context);

    /// <summary>
    /// What each label costs, -ln p: the logits of a few positions exist at a time, never all of them, so that memory does not
    /// grow with the vocabulary.
    /// </summary>
    /// <param name="hidden">[B, P, hidden]</param>
    /// <param name="labels">[B, P], -100 where there is none.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B·P], 0 where there is no label.</returns>
    public Tensor TokenLosses(Tensor hidden, Tensor labels, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        // What is flattened is no longer one row a text.
        Tensor losses = context.Rows is { } rows
            ? rows.Join(group => Losses(group.Take(hidden), group.Take(labels), group.Context).view(-1, labels.size(1))).flatten()
            : Losses(hidden, labels, context);
        return losses.MoveToOuterDisposeScope();
    }

    private Tensor Losses(Tensor hidden, Tensor labels, ForwardContext context) =>
        ChunkedCrossEntropy.Apply(hidden.flatten(0, 1), labels, output, context);
}

/// <summary>A linear classifier over the last token that is not padding.</summary>
internal sealed class LastTokenHead(WeightScope scope, int hidden, int labels) : Head
{
    private readonly Projection _score = new(scope, hidden, labels, bias: false);

    public override IReadOnlyList<Parameter> Parameters => _score.Parameters;

    public override IReadOnlyList<Parameter> ClassRows => _score.Parameters;

    public override PositionSelection Rows(Batch batch) => LastToken.Of(batch);

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using Tensor last = hidden.squeeze(1);
        return _score.Forward(last, context);
    }
}

/// <summary>The position of each row's last real token.</summary>
internal static class LastToken
{
    public static PositionSelection Of(Batch batch)
    {
        if (batch.Mask is null)
            return PositionSelection.Last;
        // Read by the backward pass too: left to the caller's scope.
        Tensor places = arange(batch.Mask.size(1), ScalarType.Int64, batch.Mask.device);
        return PositionSelection.At((batch.Mask * places).amax([1], keepdim: true));
    }
}
