using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.Expectations;

/// <summary>The lists of families tell the truth about the real models that are there.</summary>
[TestClass]
public sealed class ModelFamiliesTests
{
    [TestMethod, TestCategory("Models")]
    public void EveryLineServesAModelOfTheDefaultFolder()
    {
        SharedData.RequireDefault("MODELS_ROOT", SharedData.Models);
        Families.Committed.AssertUsed(CaseNames.OfModels, line => line.IsOfModels);
    }

    [TestMethod]
    public void EveryRunnerThatALineNamesExists() => CollectionAssert.AreEquivalent(
        ModelExpectationTests.Kinds.Keys.ToArray(),
        Families.Committed.All.Where(family => family.IsServed && family.IsOfModels).Select(family => family.Says).Distinct().ToArray());
}
