using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// Weights on the way from what they were before a run to what it made of them (WiSE-FT, Wortsman et al. 2022): less of what was learnt, and more of what
/// the model could do before. An update in two factors, one of which starts at zero, is scaled.
/// </summary>
internal sealed class WeightInterpolation : IDisposable
{
    private readonly IReadOnlyList<Parameter> _moving;
    private readonly Tensor[] _start;
    private Tensor[]? _end;

    /// <summary>Keeps what the weights are; made before the first step.</summary>
    public WeightInterpolation(ITuner tuner)
    {
        _moving = tuner.Interpolated;
        _start = Copies();
    }

    /// <summary>Gives the model weights between its start and its end, which it has when this is called first.</summary>
    /// <param name="share">Where, from 0 for the start to 1 for the end.</param>
    public void Set(double share)
    {
        using var noGrad = no_grad();
        _end ??= Copies();
        for (int i = 0; i < _moving.Count; i++)
        {
            using var scope = NewDisposeScope();
            // To the bit at both ends.
            Tensor way = _end[i] - _start[i];
            _moving[i].Assign(share < 0.5 ? _start[i] + (way * share) : _end[i] - (way * (1 - share)));
        }
    }

    public void Dispose()
    {
        foreach (Tensor copy in _start.Concat(_end ?? []))
            copy.Dispose();
    }

    private Tensor[] Copies()
    {
        using var noGrad = no_grad();
        return [.. _moving.Select(parameter => parameter.Value.clone().DetachFromDisposeScope())];
    }
}
