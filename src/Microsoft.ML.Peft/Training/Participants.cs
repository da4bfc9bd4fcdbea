using System.Globalization;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>Whoever takes part in a run, in a fixed order: the tuner, the task, the model.</summary>
/// <param name="candidates">Those that may: whoever does not implement the interface is left out.</param>
internal sealed class Participants(params object[] candidates)
{
    private readonly ITrainingParticipant[] _all = [.. candidates.OfType<ITrainingParticipant>()];

    public static Participants Of(TunedModel model, ITrainingObjective task) => new(model.Tuner, task, model.Model);

    public void BeforeStep(int step)
    {
        using var noGrad = no_grad();
        Array.ForEach(_all, participant => participant.BeforeStep(step));
    }

    public void AfterBackward(int step)
    {
        using var scope = NewDisposeScope();
        Array.ForEach(_all, participant => participant.AfterBackward(step));
    }

    public void WeightsChanged()
    {
        using var noGrad = no_grad();
        Array.ForEach(_all, participant => participant.WeightsChanged());
    }

    public void AfterRun() => Array.ForEach(_all, participant => participant.AfterRun());

    /// <summary>Computes the gradients of all terms and gives their sum, which is one of means.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="count">What gradients are summed over.</param>
    public double AddTerms(int step, long count)
    {
        double sum = 0;
        foreach (ITrainingParticipant participant in _all)
        {
            using var scope = NewDisposeScope();
            if (participant.LossTerm(step) is not { } term)
                continue;
            sum += term.ToDouble();
            BackwardPass.Run(term * count);
        }
        return sum;
    }

    public void AfterStep(int step, int totalSteps)
    {
        using var noGrad = no_grad();
        Array.ForEach(_all, participant => participant.AfterStep(step, totalSteps));
        WeightsChanged();
    }

    public IEnumerable<(string Name, Tensor Value)> Export() =>
        _all.SelectMany((participant, i) => participant.State.Select(part => (Prefix(i) + part.Name, part.Value)));

    /// <param name="tensors">All tensors of a state by name.</param>
    public void Import(IReadOnlyDictionary<string, Tensor> tensors)
    {
        for (int i = 0; i < _all.Length; i++)
        {
            string prefix = Prefix(i);
            _all[i].Restore(tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Key[prefix.Length..], t => t.Value));
        }
    }

    private static string Prefix(int participant) => string.Create(CultureInfo.InvariantCulture, $"participant/{participant}/");
}
