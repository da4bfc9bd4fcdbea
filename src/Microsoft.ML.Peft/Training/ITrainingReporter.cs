namespace Microsoft.ML.Peft.Training;

/// <summary>The log as the training loop sees it; the ML.NET side writes it to its channels.</summary>
internal interface ITrainingReporter
{
    void Info(string message);

    /// <summary>What a user should look into.</summary>
    void Warning(string message) => Info(message);

    void Progress(in TrainingProgress progress);
}
