namespace Microsoft.ML.Peft.Training;

/// <summary>Why a run ended.</summary>
internal enum TrainingEnd { Completed, StoppedEarly, Cancelled }

/// <summary>What a run came to.</summary>
/// <param name="End">Why it ended.</param>
/// <param name="Steps">Updates of the weights, those before a resumption included.</param>
/// <param name="Loss">Mean training loss of the last epoch that was entered.</param>
/// <param name="BestStep">The step whose weights the model now has, where evaluations chose it.</param>
/// <param name="Best">Loss and metrics of that evaluation; null where there was none.</param>
internal sealed record TrainingResult(TrainingEnd End, int Steps, double Loss, int? BestStep, IReadOnlyDictionary<string, double>? Best);
