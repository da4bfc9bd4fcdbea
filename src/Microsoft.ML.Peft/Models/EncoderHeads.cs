using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>One linear classifier over each position that is read.</summary>
internal sealed class TokenHead(WeightScope scope, double dropout, int hidden, int labels) : Head
{
    private readonly Projection _classifier = new(scope, hidden, labels);

    public override IReadOnlyList<Parameter> Parameters => _classifier.Parameters;

    public override IReadOnlyList<Parameter> ClassRows => _classifier.Parameters;

    public override PositionSelection Rows(Batch batch) => batch.ReadPositions is { } at ? PositionSelection.At(at) : PositionSelection.All;

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using var blockScope = NewDisposeScope();
        return _classifier.Forward(context.Dropout(hidden, dropout), context).MoveToOuterDisposeScope();
    }
}

/// <summary>How likely an answer begins, and how likely it ends, at each position that is read: one linear layer.</summary>
internal sealed class SpanHead(WeightScope scope, int hidden) : Head
{
    private readonly Projection _outputs = new(scope, hidden, 2);

    public override IReadOnlyList<Parameter> Parameters => _outputs.Parameters;

    public override PositionSelection Rows(Batch batch) => batch.ReadPositions is { } at ? PositionSelection.At(at) : PositionSelection.All;

    /// <returns>[B, P, 2]: start and end.</returns>
    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) => _outputs.Forward(hidden, context);
}

/// <summary>One token, the first by default, through a dense layer and tanh, then a linear classifier.</summary>
internal sealed class PooledHead(WeightScope dense, WeightScope classifier, int hidden, int labels) : Head
{
    private readonly Projection _dense = new(dense, hidden, hidden);
    private readonly Projection _classifier = new(classifier, hidden, labels);

    /// <summary>The position that is read; null for the first.</summary>
    public Func<Batch, PositionSelection>? At { get; init; }

    /// <summary>Before the dense layer; 0 by default.</summary>
    public double InputDropout { get; init; }

    /// <summary>Before the classifier.</summary>
    public required double Dropout { get; init; }

    /// <summary>Whether the dense layer is of the head, not of the base, and trains with it.</summary>
    public required bool TrainsDense { get; init; }

    public override IReadOnlyList<Parameter> Parameters =>
        TrainsDense ? [.. _dense.Parameters, .. _classifier.Parameters] : _classifier.Parameters;

    public override IReadOnlyList<Parameter> ClassRows => _classifier.Parameters;

    public override PositionSelection Rows(Batch batch) => At?.Invoke(batch) ?? PositionSelection.First;

    public override bool ReadsFirst => At is null;

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor pooled = tanh(_dense.Forward(context.Dropout(hidden.squeeze(1), InputDropout), context));
        return _classifier.Forward(context.Dropout(pooled, Dropout), context).MoveToOuterDisposeScope();
    }
}

/// <summary>Dense, activation, norm, then the word table as output matrix.</summary>
internal sealed class MaskedLanguageModelHead : Head
{
    private readonly Projection _dense, _decoder;
    private readonly LayerNorm _norm;
    private readonly Func<Tensor, Tensor> _activation;

    public MaskedLanguageModelHead(WeightScope decoder, Projection dense, LayerNorm norm, Func<Tensor, Tensor> activation, TokenEmbedding tokens, Parameter bias)
    {
        (_dense, _norm, _activation) = (dense, norm, activation);
        _decoder = new Projection(decoder, tokens.Weight, bias);
        decoder.Sites.AddOutput(_decoder, tokens);
    }

    // A head that the checkpoint brings knows its work already.
    public override IReadOnlyList<Parameter> Parameters =>
        [.. _dense.Parameters.Concat(_norm.Parameters).Append(_decoder.Bias!).Where(p => p.IsNew)];

    public override PositionSelection Rows(Batch batch) => batch.ReadPositions is { } at ? PositionSelection.At(at) : PositionSelection.All;

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using var blockScope = NewDisposeScope();
        Tensor transformed = _norm.Forward(_activation(_dense.Forward(hidden, context)), context);
        return _decoder.Forward(transformed, context).MoveToOuterDisposeScope();
    }
}
