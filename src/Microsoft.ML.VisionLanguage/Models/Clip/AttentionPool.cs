using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>The average of all places attends to them and itself, and what it finds is the picture.</summary>
internal sealed class AttentionPool
{
    private readonly Parameter _positions;
    private readonly Projection _query, _key, _value, _projection;
    private readonly int _heads;

    /// <param name="scope">The module.</param>
    /// <param name="side">Places along a side.</param>
    /// <param name="hidden">The width of what stands there.</param>
    /// <param name="heads">Heads of the attention.</param>
    /// <param name="width">The width of what is found.</param>
    public AttentionPool(WeightScope scope, int side, int hidden, int heads, int width)
    {
        _heads = heads;
        _positions = scope.Load("positional_embedding", Init.Normal, (side * side) + 1, hidden);
        _query = new Projection(scope["q_proj"], hidden, hidden);
        _key = new Projection(scope["k_proj"], hidden, hidden);
        _value = new Projection(scope["v_proj"], hidden, hidden);
        _projection = new Projection(scope["c_proj"], hidden, width);
    }

    /// <param name="states">[B, places, hidden]</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width]</returns>
    public Tensor Forward(Tensor states, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor all = Elementwise.Add(cat([states.mean([1], keepdim: true), states], 1), _positions.Value);
        Tensor found = Attention.Attend(
            Attention.Split(_query.Forward(all.narrow(1, 0, 1), context), _heads), Attention.Split(_key.Forward(all, context), _heads),
            Attention.Split(_value.Forward(all, context), _heads), mask: null, dropout: null);
        return _projection.Forward(found, context).MoveToOuterDisposeScope();
    }
}
