using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>
/// A table of virtual tokens in the slots that read it. Where a network makes it, what trains is the network: the table is a leaf that is made
/// anew when that has changed, the model's passes leave it their gradient, and this goes through the network once a step. So whatever
/// runs the model in pieces, or a block again, has a leaf before it, and in the end the network is gone.
/// </summary>
internal abstract class VirtualTable : TunedPart
{
    private TableNetwork? _network;

    /// <param name="table">[rows, width]</param>
    /// <param name="network">What makes it; null where it trains itself.</param>
    protected VirtualTable(Parameter table, TableNetwork? network)
    {
        (Table, _network) = (table, network);
        table.MakeTrainable();
    }

    /// <summary>[rows, width]</summary>
    public Parameter Table { get; }

    public override string Path => Table.Name;

    public override IReadOnlyList<Parameter> Parameters => _network?.Parameters ?? [Table];

    public override IReadOnlyList<Parameter> Interpolated => [Table];

    public override IEnumerable<(string Name, Tensor Value)> Export() => [(Table.Name, Table.Value)];

    /// <summary>Makes the table as it is without dropout.</summary>
    public void Make()
    {
        if (_network is not null)
            Make(null);
    }

    /// <summary>Makes the table of a step, where chance has a part in it.</summary>
    public void Draw(DropoutSeeds seeds)
    {
        if (_network is { DropsOut: true })
            Make(seeds);
    }

    /// <summary>Takes the table's gradient back to what trains.</summary>
    /// <param name="seeds">Those with which it was drawn.</param>
    public void PassGradientOn(DropoutSeeds seeds)
    {
        using Tensor? gradient = Table.Value.grad;
        if (_network is null || gradient is null)
            return;
        using var scope = NewDisposeScope();
        BackwardPass.Run(_network.Forward(seeds), gradient);
        Table.Value.grad = null;
    }

    /// <summary>Lets the network go: the table stays as it is, and would train itself.</summary>
    public void Settle()
    {
        _network?.Dispose();
        _network = null;
    }

    public override void Dispose()
    {
        Settle();
        Table.Dispose();
    }

    private void Make(DropoutSeeds? seeds)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Table.Assign(_network!.Forward(seeds));
        Table.Value.grad = null;
    }
}

/// <summary>What makes a table: a network over an embedding of each of its rows.</summary>
/// <param name="weights">What trains, with PyTorch's names below PEFT's <c>prompt_encoder</c>.</param>
internal abstract class TableNetwork(NetworkWeights weights) : IDisposable
{
    /// <summary>The module's name in PEFT's model.</summary>
    public const string Name = "prompt_encoder";

    public IReadOnlyList<Parameter> Parameters => weights.All;

    /// <summary>Whether training makes another table at each step, by dropout.</summary>
    public virtual bool DropsOut => false;

    /// <summary>The table [rows, width].</summary>
    /// <param name="seeds">Where dropout takes its seeds from; null: it is off.</param>
    public abstract Tensor Forward(DropoutSeeds? seeds);

    public void Dispose()
    {
        foreach (Parameter parameter in Parameters)
            parameter.Dispose();
    }
}
