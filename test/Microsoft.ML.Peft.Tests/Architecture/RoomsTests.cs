namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>The matrix can fail: each rule by a source file that breaks it, compiled, read and judged as the libraries are.</summary>
[TestClass]
public sealed class RoomsTests
{
    private const string Peft = "Microsoft.ML.Peft/";

    [TestMethod]
    [DataRow("Tasks/Sneaky.cs", "Models.Gpt2", "Tasks must not name Microsoft.ML.Peft/Models/Gpt2.cs", DisplayName = "a task names GPT-2")]
    [DataRow("Models/Sneaky.cs", "Tuners.Lora.LoraTuner", "Models must not name Microsoft.ML.Peft/Tuners/Lora", DisplayName = "a model names LoRA")]
    [DataRow("Models/Sneaky.cs", "LoraOptions", "Models must not name Microsoft.ML.Peft/Tuners/Lora", DisplayName = "a model names LoRA's options")]
    [DataRow("Layers/Sneaky.cs", "LoraFineTune", "Layers must not name Microsoft.ML.Peft/Estimators", DisplayName = "a layer names an estimator")]
    [DataRow("Checkpoints/Sneaky.cs", "Models.DecoderModel", "Checkpoints must not name Microsoft.ML.Peft/Models", DisplayName = "checkpoints name a decoder")]
    [DataRow("Interop/Sneaky.cs", "PeftTask", "Interop must not name Microsoft.ML.Peft/Tasks", DisplayName = "interop names a task")]
    [DataRow("Tasks/Sneaky.cs", "Tasks.ChatTask", "Tasks must not name Microsoft.ML.Peft/Tasks/ChatTask.cs", DisplayName = "tasks name one of them")]
    [DataRow("Models/Sneaky.cs", "Models.Gpt2Layer", "Models must not name Microsoft.ML.Peft/Models/Gpt2.cs", DisplayName = "models name a part of one of them")]
    [DataRow("Tasks/Sneaky.cs", "Tuners.ITuner", "Tasks must not name Microsoft.ML.Peft/Tuners")]
    [DataRow("Tuners/Lora/Sneaky.cs", "Tuners.Full.FullOptions", "Tuners/Lora must not name Microsoft.ML.Peft/Tuners/Full")]
    [DataRow("Tuners/Lora/Sneaky.cs", "Models.PretrainedModel", "Tuners/Lora must not name Microsoft.ML.Peft/Models")]
    [DataRow("Tuners/Sneaky.cs", "LoraOptions", "Tuners must not name Microsoft.ML.Peft/Tuners/Lora")]
    [DataRow("Estimators/Sneaky.cs", "LoraOptions", "Estimators must not name Microsoft.ML.Peft/Tuners/Lora")]
    [DataRow("Estimators/LoraFineTune.cs", "Tuners.Full.FullOptions", "Estimators must not name Microsoft.ML.Peft/Tuners/Full")]
    [DataRow("Estimators/Sneaky.cs", "Models.Llama", "Estimators must not name Microsoft.ML.Peft/Models/Llama.cs")]
    [DataRow("Persistence/Sneaky.cs", "LoraOptions", "Persistence must not name Microsoft.ML.Peft/Tuners/Lora")]
    [DataRow("Chat/Sneaky.cs", "Models.Qwen2", "Chat must not name Microsoft.ML.Peft/Models/Qwen2.cs")]
    [DataRow("Training/Sneaky.cs", "Estimators.Scorer", "Training must not name Microsoft.ML.Peft/Estimators")]
    [DataRow("Generation/Sneaky.cs", "Tuners.ITuner", "Generation must not name Microsoft.ML.Peft/Tuners")]
    [DataRow("Quantization/Sneaky.cs", "Layers.Projection", "Quantization must not name Microsoft.ML.Peft/Layers")]
    [DataRow("Data/Sneaky.cs", "Models.Head", "Data must not name Microsoft.ML.Peft/Models")]
    [DataRow("Tokenization/Sneaky.cs", "Data.Batch", "Tokenization must not name Microsoft.ML.Peft/Data")]
    [DataRow("Hosting/Sneaky.cs", "PeftTask", "Hosting must not name Microsoft.ML.Peft/Tasks")]
    [DataRow("Metrics/Sneaky.cs", "Data.Batch", "Metrics must not name Microsoft.ML.Peft/Data")]
    [DataRow("SplitMix64.cs", "Layers.Projection", "SplitMix64.cs must not name Microsoft.ML.Peft/Layers")]
    [DataRow("Estimators/Sneaky.cs", "PeftCatalog", "Estimators must not name Microsoft.ML.Peft/*PeftCatalog.cs", DisplayName = "the catalogs are for users")]
    public void ARoomNamesNoOther(string file, string named, string reason) =>
        Assert.Contains(reason, Violations.Of((Peft + file, Naming("Microsoft.ML.Peft." + named))).Single());

    [TestMethod]
    [DataRow("Microsoft.ML.Peft/Metrics/Sneaky.cs", "TorchSharp.torch", "Metrics must not name the assembly TorchSharp")]
    [DataRow("Microsoft.ML.Peft/Layers/Sneaky.cs", "Microsoft.ML.MLContext", "Layers must not name the assembly Microsoft.ML.Data")]
    [DataRow("Microsoft.ML.Peft/Checkpoints/Sneaky.cs", "Mono.Cecil.TypeDefinition", "the assembly Mono.Cecil is unknown")]
    [DataRow("Microsoft.ML.Peft/Estimators/Sneaky.cs", "Microsoft.ML.VisionLanguageCatalog", "Estimators must not name Microsoft.ML.VisionLanguage/*Catalog.cs")]
    [DataRow("Microsoft.ML.VisionLanguage/VisionLanguageCatalog.cs", "Microsoft.ML.Peft.Layers.Projection", "*Catalog.cs must not name Microsoft.ML.Peft/Layers")]
    [DataRow("Microsoft.ML.VisionLanguage/Estimators/Sneaky.Catalog.cs", "Microsoft.ML.Peft.Layers.Projection", "*Catalog.cs must not name Microsoft.ML.Peft/Layers")]
    public void ARoomNamesNoOtherAssembly(string file, string named, string reason) =>
        Assert.Contains(reason, Violations.Of((file, Naming(named))).Single());

    [TestMethod]
    [DataRow("Microsoft.ML.Peft/Odds/Ends.cs")]
    [DataRow("Microsoft.ML.Peft/Loose.cs")]
    [DataRow("Microsoft.ML.VisionLanguage/Odds/Ends.cs")]
    [DataRow("Somewhere.Else/Hosting/File.cs")]
    public void AFileWithoutARoomIsFound(string file) => Assert.Contains("lies in no room", Violations.Of((file, Naming("System.Uri"))).Single());

    [TestMethod]
    public void ATypeWithoutAFileIsFound() =>
        Assert.Contains("lies in no file", Violations.Of(("../obj/Made.cs", Naming("System.Uri"))).Single());

    [TestMethod]
    public void ATypeInTwoRoomsIsFound() => Assert.Contains("or in several", Violations.Of(
        (Peft + "Layers/A.cs", "internal static partial class Torn { static int A() => 1; }"),
        (Peft + "Models/B.cs", "internal static partial class Torn { static int B() => 2; }")).Single());

    [TestMethod]
    public void ANewTunersFolderIsARoomThatNobodyNames() => Assert.Contains("Estimators must not name Microsoft.ML.Peft/Tuners/Newest", Violations.Of(
        (Peft + "Tuners/Newest/NewestTuner.cs", "internal sealed class NewestTuner { public int Rank { get; } = 1; }"),
        (Peft + "Estimators/Sneaky.cs", Naming("NewestTuner"))).Single());

    /// <summary>However a type is named.</summary>
    [TestMethod]
    [DataRow("internal interface IBad { Microsoft.ML.Peft.Models.Gpt2 Model { get; } }", DisplayName = "an interface")]
    [DataRow("internal sealed class Bad { private Microsoft.ML.Peft.Models.Gpt2? _model = null; public override string ToString() => $\"{_model}\"; }", DisplayName = "a field")]
    [DataRow("internal static class Bad { static object M(object x) => ((System.Func<bool>)(() => x is Microsoft.ML.Peft.Models.Gpt2))(); }", DisplayName = "a closure")]
    [DataRow("internal static class Bad { static System.Collections.Generic.List<Microsoft.ML.Peft.Models.Gpt2[]> M() => new(); }", DisplayName = "a generic argument")]
    [DataRow("internal static class Bad { static async System.Threading.Tasks.Task M(object x) { await System.Threading.Tasks.Task.Yield(); _ = (Microsoft.ML.Peft.Models.Gpt2)x; } }", DisplayName = "an async method")]
    [DataRow("internal sealed class A : System.Attribute { public A(System.Type type) { } } [A(typeof(Microsoft.ML.Peft.Models.Gpt2))] internal sealed class Bad { }", DisplayName = "an attribute")]
    [DataRow("internal delegate void Bad(Microsoft.ML.Peft.Models.Gpt2 model);", DisplayName = "a delegate")]
    [DataRow("internal static class Bad { static int M(Microsoft.ML.Peft.Models.DecoderModel x) => x switch { Microsoft.ML.Peft.Models.Gpt2 => 1, _ => 2 }; }", DisplayName = "a pattern")]
    public void EveryWayOfNamingCounts(string text) =>
        Assert.Contains("Tasks must not name Microsoft.ML.Peft/Models/Gpt2.cs", Violations.Of((Peft + "Tasks/Sneaky.cs", "#nullable enable\n" + text)).Single());

    [TestMethod]
    [DataRow("Estimators/LoraFineTune.cs", "LoraOptions")]
    [DataRow("Tuners/Lora/Honest.cs", "LoraOptions")]
    [DataRow("Tuners/Lora/Mixing/Honest.cs", "LoraOptions")]
    [DataRow("Tuners/Lora/Honest.cs", "Layers.Projection")]
    [DataRow("Models/Honest.cs", "Layers.Attention")]
    [DataRow("Models/Gpt2.cs", "Models.DecoderModel")]
    [DataRow("Tasks/Honest.cs", "Models.PretrainedModel")]
    [DataRow("Estimators/Adapters/Honest.cs", "Training.TrainingLoop")]
    [DataRow("Chat/PeftAIExtensions.cs", "PeftTransformer")]
    public void WhatTheMatrixAllowsPasses(string file, string named) => Assert.IsEmpty(Violations.Of((Peft + file, Naming("Microsoft.ML.Peft." + named))));

    [TestMethod]
    public void RoomsThatStandOnEachOtherAreFound()
    {
        Assert.IsEmpty(new Rooms(["[L]", "A: B", "B: C", "C:"]).Cycle());
        CollectionAssert.AreEqual(new[] { "L/A", "L/B", "L/A" }, new Rooms(["[L]", "A: B", "B: A"]).Cycle().ToArray());
        CollectionAssert.AreEqual(new[] { "L/A", "L/B", "L/A" }, new Rooms(["[L]", "A: B", "B:", "+B/x.cs: A"]).Cycle().ToArray());
        Assert.IsEmpty(new Rooms(["[L]", "A: B", "B:", "B owes: A"]).Cycle(), "a debt");
    }

    [TestMethod]
    public void ADebtThatIsPaidIsFound()
    {
        var rooms = new Rooms(["[L]", "A:", "B:", "A owes: B"]);
        SourceType a = new("L.A", ["L/A/a.cs"], false), b = new("L.B", ["L/B/b.cs"], false);
        Assert.IsEmpty(new Verdict(rooms, [a, b], [new Arrow(a, b, null)]).Paid);
        Assert.AreEqual("L/A owes L/B", new Verdict(rooms, [a, b], []).Paid.Single());
    }

    [TestMethod]
    [DataRow("A: B", DisplayName = "a room that no line speaks of")]
    [DataRow("A B", DisplayName = "no colon")]
    [DataRow("A:\n+A/x.cs: B", DisplayName = "more for a file")]
    [DataRow("A:\nA owes: B", DisplayName = "a debt")]
    public void AMatrixWithALineThatSaysNothingIsRefused(string lines) =>
        Assert.ThrowsExactly<InvalidDataException>(() => new Rooms(["[L]", .. lines.Split('\n')]));

    private static string Naming(string type) => $"internal static class Sneaky {{ static object Name() => typeof({type}); }}";
}
