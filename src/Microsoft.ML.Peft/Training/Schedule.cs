namespace Microsoft.ML.Peft.Training;

/// <summary>The learning rate of each step, as transformers' <c>get_*_schedule_with_warmup</c> has it.</summary>
internal sealed record Schedule(LearningRateSchedule Kind, double Peak, int WarmupSteps, int TotalSteps)
{
    public static Schedule Of(TrainingSettings options, int totalSteps) => new(
        options.Schedule, options.LearningRate, options.Given.WarmupSteps ?? (int)Math.Ceiling(totalSteps * options.WarmupRatio), totalSteps);

    /// <param name="step">The step, from 0: with a warm-up the first one has a rate of 0.</param>
    public double Rate(int step) => Peak * (step < WarmupSteps ? (double)step / Math.Max(1, WarmupSteps) : AfterWarmup(step));

    private double AfterWarmup(int step)
    {
        double done = (double)(step - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps);
        return Kind switch
        {
            LearningRateSchedule.Linear => Math.Max(0, 1 - done),
            LearningRateSchedule.Cosine => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * done))),
            _ => 1,
        };
    }
}
