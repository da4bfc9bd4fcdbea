using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/question-answering.md compiles: its lines stand here.</summary>
[TestClass]
public sealed class QuestionAnsweringPageTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(QuestionAnsweringPageTests), "docs/question-answering.md");

    internal static void Write(MLContext ml)
    {
        IDataView train = ml.Data.LoadFromEnumerable(SquadFile.Read("train-v1.1.json"));
        using PeftTransformer model = ml.Peft().Lora("models/roberta-base", PeftTask.QuestionAnswer(), maxEpochs: 3).Fit(train);
        ml.Model.SaveAtomically(model, train.Schema, "answers.zip");

        IDataView test = ml.Data.LoadFromEnumerable(SquadFile.Read("dev-v1.1.json"));
        SquadScore score = ml.Peft().EvaluateAnswers(model.Transform(test));
        Console.WriteLine($"exact match {score.ExactMatch:p1}, F1 {score.F1:p1}");
    }
}
