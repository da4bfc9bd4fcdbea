using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class ScheduleTests
{
    // Values of transformers' get_linear_schedule_with_warmup(10, 110) and get_cosine_schedule_with_warmup(10, 110).
    [TestMethod]
    [DataRow(LearningRateSchedule.Linear, 0, 0)]
    [DataRow(LearningRateSchedule.Linear, 5, 0.5)]
    [DataRow(LearningRateSchedule.Linear, 10, 1)]
    [DataRow(LearningRateSchedule.Linear, 35, 0.75)]
    [DataRow(LearningRateSchedule.Linear, 110, 0)]
    [DataRow(LearningRateSchedule.Cosine, 1, 0.1)]
    [DataRow(LearningRateSchedule.Cosine, 10, 1)]
    [DataRow(LearningRateSchedule.Cosine, 35, 0.8535533905932737)]
    [DataRow(LearningRateSchedule.Cosine, 60, 0.5)]
    [DataRow(LearningRateSchedule.Cosine, 110, 0)]
    [DataRow(LearningRateSchedule.Constant, 9, 0.9)]
    [DataRow(LearningRateSchedule.Constant, 109, 1)]
    public void Rates_follow_the_formula(LearningRateSchedule kind, int step, double factor) =>
        Assert.AreEqual(3 * factor, new Schedule(kind, 3, 10, 110).Rate(step), 1e-12);

    [TestMethod]
    public void Warm_up_is_a_ratio_rounded_up_or_a_number()
    {
        Assert.AreEqual(7, Schedule.Of(TinyRun.Settings(new()), 101).WarmupSteps);
        Assert.AreEqual(3, Schedule.Of(TinyRun.Settings(new() { WarmupSteps = 3 }), 101).WarmupSteps);
        Assert.AreEqual(1, Schedule.Of(TinyRun.Settings(new() { WarmupRatio = 0, LearningRate = 1 }), 10).Rate(0));
    }
}
