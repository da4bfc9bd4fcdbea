using System.Reflection;
using Microsoft.ML.Peft.Tests.Estimators.Adapters;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>What a user gets back says what it is when it is printed.</summary>
[TestClass]
public sealed class PrintedResultsTests
{
    [TestMethod]
    public void NoResultPrintsItsTypesName()
    {
        string[] silent = [.. typeof(PeftTransformer).Assembly.GetExportedTypes().Where(IsResult)
            .Where(type => type.GetMethod(nameof(ToString), Type.EmptyTypes)!.DeclaringType == typeof(object)).Select(type => type.Name)];
        Assert.IsEmpty(silent, string.Join(", ", silent));
    }

    [TestMethod]
    public void TheySayWhatMatters()
    {
        using var it = new AdapterFixture();
        PeftAdapter polite = it.Transformer.Adapters.Load("polite", it.Train("polite", "thank you"));
        string printed = $"{it.Transformer}";
        foreach (string part in new[] { "causal", Path.GetFileName(it.Base), "llama", "weights", "default (active)", "polite" })
            Assert.Contains(part, printed);
        it.Transformer.Adapters.Merge(polite);
        Assert.Contains("polite (merged)", $"{it.Transformer.Adapters}");
        it.Transformer.Adapters.Unmerge();
        it.Transformer.Adapters.Remove(polite);
        Assert.AreEqual("polite (removed or replaced)", $"{polite}");
        Assert.AreEqual("nothing was quantized again", $"{it.Transformer.SaveMergedModel(it.PathOf("merged"), it.Transformer.Adapters["default"])}");
    }

    // Settings, methods, doors and errors are no results.
    private static bool IsResult(Type type) =>
        type is { IsClass: true, IsAbstract: false } && type.GetConstructors().Length == 0 && !type.IsAssignableTo(typeof(Exception))
        && !type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IEstimator<>)) && type != typeof(PeftCatalog);
}
