namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>The rules can fail: each made-up arrow is judged as the design says.</summary>
[TestClass]
public sealed class FolderRulesTests
{
    [TestMethod]
    [DataRow("Estimators.LoraFineTune", "Tuners.Lora.LoraTuner")]
    [DataRow("Training.TrainingLoop", "Tasks.ITask")]
    [DataRow("Tuners.Lora.LoraTuner", "Layers.Projection")]
    [DataRow("Models.Roberta", "Layers.Attention")]
    [DataRow("Layers.Projection", "Checkpoints.Safetensors")]
    [DataRow("Data.Collator", "Tokenization.ITokenizer")]
    [DataRow("PeftCatalog", "Estimators.LoraFineTune")]
    [DataRow("Models.Roberta", "PeftException")]
    public void Allows(string from, string to) => Assert.IsEmpty(Judge(from, to));

    [TestMethod]
    [DataRow("Models.Roberta", "Tuners.Lora.LoraTuner", "Tuners lies above Models")]
    [DataRow("Tuners.Lora.LoraTuner", "Models.Roberta", "Tuners never name Models")]
    [DataRow("Tasks.TextClassification", "Tuners.ITuner", "Tasks never name Tuners")]
    [DataRow("Tasks.TextClassification", "Estimators.Scorer", "Estimators lies above Tasks")]
    [DataRow("Interop.PeftNative", "Quantization.WeightStore", "Quantization lies above Interop")]
    [DataRow("Checkpoints.Safetensors", "Training.TrainingLoop", "Checkpoints serves")]
    [DataRow("Layers.Projection", "PeftCatalog", "the catalogs are for users")]
    public void Forbids(string from, string to, string reason) => Assert.Contains(reason, Judge(from, to).Single());

    [TestMethod]
    public void ATaskMayNameWhatModelsHaveInCommonButNoModel()
    {
        Assert.IsEmpty(Judge("Tasks.TextClassification", "Models.IEncoder"));
        Assert.Contains("names none", Judge("Tasks.TextClassification", "Models.Roberta", concrete: true).Single());
    }

    [TestMethod]
    public void AFolderWithoutAPlaceIsReported()
        => Assert.AreEqual("Odds", FolderRules.UnknownFolders([Make("Odds.Ends", "Interop.PeftNative")]).Single());

    private static string[] Judge(string from, string to, bool concrete = false)
        => [.. FolderRules.Violations([Make(from, to, concrete)])];

    private static Edge Make(string from, string to, bool concrete = false)
        => new("Microsoft.ML.Peft." + from, "Microsoft.ML.Peft." + to, concrete);
}
