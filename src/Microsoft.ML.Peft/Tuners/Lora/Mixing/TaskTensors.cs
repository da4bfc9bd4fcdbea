using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora.Mixing;

/// <summary>Makes one tensor of several adapters' (task vectors), with a weight each.</summary>
internal sealed class TaskTensors(MixMethod method, AdapterMixOptions options, Generator generator)
{
    public Tensor Merge(IReadOnlyList<Tensor> tensors, IReadOnlyList<double> weights)
    {
        using var scope = NewDisposeScope();
        Tensor all = stack(tensors.Select(Pruned));
        Tensor weighted = all * tensor(weights.Select(w => (float)w).ToArray(), ScalarType.Float32, all.device).view([-1, .. Enumerable.Repeat(1L, (int)all.dim() - 1)]);
        if (!method.ElectsSign)
            return weighted.sum([0L]).MoveToOuterDisposeScope();
        // The election is among the values before the weights; the mean among those that it keeps.
        Tensor votes = all.sign(), poll = options.MajoritySign == MajoritySignMethod.Total ? all.sum([0L]) : votes.sum([0L]);
        Tensor elected = votes.eq(where(poll.ge(0), ones_like(poll), ones_like(poll).neg()));
        return ((weighted * elected).sum([0L]) / elected.sum([0L]).clamp_min(1)).MoveToOuterDisposeScope();
    }

    private Tensor Pruned(Tensor values)
    {
        double density = options.Density ?? 1;
        if (method.Pruning == Pruning.None || density >= 1)
            return values;
        if (method.Pruning == Pruning.Random)
            return values * bernoulli(full_like(values, density), generator) / density;
        Tensor flat = values.abs().flatten(), kept = zeros_like(flat);
        (_, Tensor largest) = flat.topk((int)(density * flat.numel()));
        return values * kept.index_fill_(0, largest, 1).view(values.Sizes());
    }
}
