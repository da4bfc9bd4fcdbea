using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Every case of the parity folder is one test named after its folder.</summary>
[TestClass]
public sealed class ParityTests
{
    public static IEnumerable<object[]> Cases => CaseNames.Rows(CaseNames.OfParity);

    /// <summary>What serves a family: the test, and where case.json has expectations of its own, their paths.</summary>
    internal static IReadOnlyDictionary<string, (Action<ParityCase> Test, string? Texts)> Runners { get; } = new Dictionary<string, (Action<ParityCase>, string?)>
    {
        ["model"] = (ModelParity.Run, null),
        ["tuner"] = (TunerParity.Run, null),
        ["several-tasks"] = (SeveralTasksParity.Run, null),
        ["bottleneck"] = (BottleneckParity.Run, null),
        ["question-answer"] = (QuestionAnswerParity.Run, null),
        ["clip"] = (ClipParity.Run, null),
        ["glm"] = (GlmParity.Run, null),
        ["glm-cloze"] = (GlmReadingParity.RunCloze, null),
        ["glm-prompt"] = (GlmReadingParity.RunPrompt, null),
        ["glm-classifier"] = (GlmParity.RunClassifier, null),
        ["picture"] = (PictureParity.Run, null),
        ["probe"] = (ProbeParity.Run, null),
        ["start"] = (StartParity.Run, null),
        ["loftq"] = (StartParity.RunLoftq, null),
        ["mix"] = (MixParity.Run, null),
        ["sampling"] = (SamplingParity.Run, null),
        ["gguf"] = (GgufParity.Run, null),
        ["chat-template"] = (ChatTemplateParity.Run, ChatTemplateParity.Expectations),
        ["blank-infilling"] = (BlankInfillingParity.Run, BlankInfillingParity.Expectations),
        ["metrics"] = (MetricsParity.Run, MetricsParity.Expectations),
        ["cider"] = (MetricsParity.RunCider, MetricsParity.CiderExpectations),
        ["four-bit"] = (QuantizationParity.FourBit, null),
        ["eight-bit"] = (QuantizationParity.EightBit, null),
        ["row-wise"] = (QuantizationParity.Rowwise, null),
        ["linear"] = (QuantizationParity.Linear, null),
    };

    public static string Name(System.Reflection.MethodInfo method, object[] data) => (string)data[0];

    [TestMethod, TestCategory("Parity")]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void Case(string name)
    {
        SharedData.RequireFolder(SharedData.Parity);
        var (test, texts) = Runners[Families.Committed.RunnerOf(name)];
        ParityCase.Run(Path.Combine(SharedData.Parity, name), texts, test, CaseExceptions.Of(name));
    }
}
