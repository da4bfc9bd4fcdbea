namespace Microsoft.ML.Peft.Training;

/// <summary>The log as the training loop sees it; the ML.NET side writes it to its channels.</summary>
internal interface ITrainingReporter
{
    void Info(string message);

    void Progress(in TrainingProgress progress);
}
