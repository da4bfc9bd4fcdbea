using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>The mean of hashed ids' vectors: a base that is cheap and still knows padding.</summary>
internal sealed class TinyModel(ModelWeights weights, double dropout) : PretrainedModel(HfConfig.Parse("""{"model_type": "tiny"}""", "tiny"), weights)
{
    public const int Buckets = 32, Width = 8;

    private readonly Parameter _table = weights.Root["tiny"].Load("weight", Init.Normal, Buckets, Width);

    public int Forwards { get; private set; }

    public override IReadOnlyList<string> DefaultTargets => [];

    public static TunedModel Create(bool frozen = false, double dropout = 0, long seed = 7)
    {
        var weights = new ModelWeights(null, "tiny", CPU, 0.5, seed);
        var model = new TinyModel(weights, dropout);
        var head = new TinyHead(weights.Root["head"], dropout);
        var tuner = new TinyTuner(frozen ? head.Parameters : [.. weights.All], touchesBase: !frozen);
        return new TunedModel(model, head, tuner);
    }

    public override Tensor Features(Batch batch, Head head, ForwardContext context)
    {
        Forwards++;
        using var scope = NewDisposeScope();
        Tensor states = _table.Value.index_select(0, batch.Ids.remainder(Buckets).flatten()).reshape([.. batch.Ids.shape, Width]);
        states = context.Block(states, x => context.Dropout(x.tanh(), dropout));
        if (batch.Mask is null)
            return states.mean([1], keepdim: true).MoveToOuterDisposeScope();
        Tensor mask = batch.Mask.unsqueeze(-1).to(ScalarType.Float32);
        return ((states * mask).sum(1, keepdim: true) / mask.sum(1, keepdim: true)).MoveToOuterDisposeScope();
    }

    protected override bool IsOptional(string name) => true;
}

internal sealed class TinyHead(WeightScope scope, double dropout) : Head
{
    public const int Classes = 3;

    private readonly Parameter _weight = scope.Load("weight", Init.Normal, Classes, TinyModel.Width);
    private readonly Parameter _bias = scope.Load("bias", Init.Zeros, Classes);

    public override IReadOnlyList<Parameter> Parameters => [_weight, _bias];

    public override PositionSelection Rows(Batch batch) => PositionSelection.First;

    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using var inner = NewDisposeScope();
        return nn.functional.linear(context.Dropout(hidden, dropout), _weight.Value, _bias.Value).squeeze(1).MoveToOuterDisposeScope();
    }
}

internal sealed class TinyTuner : ITuner
{
    public TinyTuner(IReadOnlyList<Parameter> trainable, bool touchesBase)
    {
        (Trainable, TouchesBase) = (trainable, touchesBase);
        foreach (Parameter parameter in trainable)
            parameter.MakeTrainable();
    }

    public string Key => "tiny";

    public bool TouchesBase { get; }

    public IReadOnlyList<Parameter> Trainable { get; }

    public void Attach(TuningTarget target, long seed, string adapter) => throw new NotSupportedException();

    public IReadOnlyList<(string Name, Tensor Value)> Export() => throw new NotSupportedException();

    public void Import(ITensorSource source) => throw new NotSupportedException();

    public bool TryMerge() => false;

    public void Unmerge() { }

    public void Dispose() { }
}
