using System.Globalization;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Training;

/// <summary>One update of the weights from one batch, or from several whose gradients add up.</summary>
/// <param name="runner">Model and task.</param>
/// <param name="parameters">What trains.</param>
/// <param name="optimizer">Updates it.</param>
/// <param name="participants">Whoever adds terms to the loss and acts after the update.</param>
/// <param name="options">How.</param>
/// <param name="plan">The run's seed and length.</param>
internal sealed class TrainingStep(
    BatchRunner runner, IReadOnlyList<Parameter> parameters, Optimizer optimizer, Participants participants, TrainingSettings options, TrainingPlan plan)
{
    /// <summary>The batches of some steps, each begun when it is asked for: their forward and backward passes run when they are finished.</summary>
    /// <param name="set">The data set.</param>
    /// <param name="steps">Step by step the numbers of its rows, batch by batch.</param>
    /// <param name="first">The first step's number, from 0.</param>
    public IEnumerable<Pending<(double Sum, long Count)>> Begin(IReadOnlyList<Example> set, IEnumerable<int[][]> steps, int first) =>
        steps.SelectMany((batches, i) => batches.Select((rows, index) => Begin(set, rows, first + i, index)));

    /// <param name="begun">Batches, of which the step takes its own.</param>
    /// <param name="batches">How many these are.</param>
    /// <param name="step">The step's number, from 0.</param>
    /// <param name="learningRate">Its learning rate.</param>
    /// <returns>The loss summed over what it counts, and how many that were.</returns>
    /// <exception cref="InvalidOperationException">The loss or the gradient is not finite.</exception>
    public (double Sum, long Count) Run(IEnumerator<Pending<(double Sum, long Count)>> begun, int batches, int step, double learningRate)
    {
        double sum = 0;
        long count = 0;
        participants.BeforeStep(step);
        for (int batch = 0; batch < batches && begun.MoveNext(); batch++)
        {
            (double batchSum, long batchCount) = begun.Current.Finish();
            if (!double.IsFinite(batchSum))
                throw Diverged("loss", batchSum, step, learningRate);
            (sum, count) = (sum + batchSum, count + batchCount);
        }
        if (count > 0)
        {
            sum += count * participants.AddTerms(step, count);
            participants.AfterBackward(step);
            optimizer.Step(learningRate, GradientScale(count, step, learningRate));
            participants.AfterStep(step, plan.TotalSteps);
        }
        optimizer.ClearGradients();
        return (sum, count);
    }

    private Pending<(double Sum, long Count)> Begin(IReadOnlyList<Example> set, int[] rows, int step, int index)
    {
        // The stream is named by step and batch: a resumed run draws what an uninterrupted one would have drawn.
        var random = new SplitMix64(plan.Seed, step, index);
        var context = new ForwardContext { Seeds = new DropoutSeeds(random.NextInt64()), Checkpointing = options.GradientCheckpointing };
        return runner.BeginLearning(runner.Task.ForTraining(Array.ConvertAll(rows, row => set[row]), random), set, rows, context);
    }

    // Gradients are those of summed losses: the mean over all batches and the clipping are one factor.
    private double GradientScale(long count, int step, double learningRate)
    {
        double mean = 1.0 / count;
        if (options.MaxGradientNorm == 0)
            return mean;
        double norm = parameters.GradientNorm() * mean;
        if (!double.IsFinite(norm))
            throw Diverged("gradient's norm", norm, step, learningRate);
        return mean * ParameterGradients.ClippingFactor(norm, options.MaxGradientNorm);
    }

    private static InvalidOperationException Diverged(string what, double value, int step, double learningRate) => new(string.Create(
        CultureInfo.InvariantCulture,
        $"The {what} became {value} at step {step + 1}, learning rate {learningRate:g3}: lower the learning rate or lengthen the warm-up."));
}
