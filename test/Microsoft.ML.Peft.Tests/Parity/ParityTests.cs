using System.IO.Enumeration;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Every case of the parity folder is one test named after its folder.</summary>
[TestClass]
public sealed class ParityTests
{
    private static readonly Dictionary<string, Action<ParityCase>> Runners = new()
    {
        ["model"] = ModelParity.Run,
        ["tuner"] = TunerParity.Run,
        ["start"] = StartParity.Run,
        ["loftq"] = StartParity.RunLoftq,
        ["mix"] = MixParity.Run,
        ["sampling"] = SamplingParity.Run,
        ["gguf"] = GgufParity.Run,
        ["chat-template"] = ChatTemplateParity.Run,
        ["metrics"] = MetricsParity.Run,
        ["cider"] = MetricsParity.RunCider,
        ["four-bit"] = QuantizationParity.FourBit,
        ["eight-bit"] = QuantizationParity.EightBit,
        ["row-wise"] = QuantizationParity.Rowwise,
        ["linear"] = QuantizationParity.Linear,
    };

    public static IEnumerable<object[]> Cases
    {
        get
        {
            string[] found = Directory.Exists(SharedData.Parity)
                ? [.. Directory.GetDirectories(SharedData.Parity).Where(d => File.Exists(Path.Combine(d, "case.json"))).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)]
                : [];
            return found.Length > 0 ? found.Select(name => new object[] { name }) : [["(no cases)"]];
        }
    }

    public static string Name(System.Reflection.MethodInfo method, object[] data) => (string)data[0];

    [TestMethod, TestCategory("Parity")]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void Case(string name)
    {
        SharedData.RequireFolder(SharedData.Parity);
        if (RunnerOf(name) is not { } runner)
        {
            Console.WriteLine($"Not decided: family of '{name}' is not supported yet.");
            Assert.Inconclusive($"The family of '{name}' is not supported yet.");
            return;
        }
        using var parityCase = new ParityCase(Path.Combine(SharedData.Parity, name));
        Runners[runner](parityCase);
    }

    private static string? RunnerOf(string name) => File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Parity", "supported-families.txt"))
        .Where(line => line.Length > 0 && line[0] != '#')
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .FirstOrDefault(parts => FileSystemName.MatchesSimpleExpression(parts[0], name))?[1];
}
