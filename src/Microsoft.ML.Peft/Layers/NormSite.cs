using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A norm over the last dimension, with a slot for tuners: named weights in the place of the model's own.</summary>
internal abstract class NormSite
{
    private readonly AdapterSlots<NormWeights> _replacements = new();

    /// <param name="scope">The module.</param>
    /// <param name="weights">The model's own.</param>
    protected NormSite(WeightScope scope, NormWeights weights)
    {
        (Path, Weights) = (scope.Path, weights);
        scope.Sites.Add(this);
    }

    /// <summary>Module path, as in Hugging Face's model.</summary>
    public string Path { get; }

    public NormWeights Weights { get; }

    public IReadOnlyList<Parameter> Parameters => Weights.Parameters;

    public void Attach(string adapter, NormWeights weights) => _replacements.Attach(adapter, weights);

    public void Detach(string adapter) => _replacements.Detach(adapter);

    /// <param name="x">[..., width], rows first.</param>
    /// <param name="context">The call.</param>
    public Tensor Forward(Tensor x, ForwardContext context)
    {
        if (context.Rows is not { } rows)
            return Forward(x, WeightsOf(context));
        using var scope = NewDisposeScope();
        Tensor output = Forward(x, Weights);
        foreach (AdapterGroup group in rows.Groups.Where(group => _replacements.Of(group.Context) is not null))
            group.Put(output, Forward(group.Take(x), WeightsOf(group.Context)));
        return output.MoveToOuterDisposeScope();
    }

    protected abstract Tensor Forward(Tensor x, NormWeights weights);

    private NormWeights WeightsOf(ForwardContext context) => _replacements.Of(context) ?? Weights;
}

/// <summary>What a norm is scaled by, and moved by where it has a bias; each [width].</summary>
internal sealed record NormWeights(Parameter Weight, Parameter? Bias)
{
    public IReadOnlyList<Parameter> Parameters => Bias is null ? [Weight] : [Weight, Bias];

    /// <summary>The same values in memory of their own, under a module's name.</summary>
    public NormWeights Copy(string path) => new(Weight.Copy(path + ".weight"), Bias?.Copy(path + ".bias"));
}
