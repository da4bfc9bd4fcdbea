using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>The lists of families tell the truth about the cases that are there.</summary>
[TestClass]
public sealed class FamiliesTests
{
    [TestMethod, TestCategory("Parity")]
    public void EveryLineServesACaseOfTheDefaultFolder()
    {
        SharedData.RequireDefault("PARITY_ROOT", SharedData.Parity);
        Families.Committed.AssertUsed([.. CaseNames.OfParity, .. CaseNames.OfTokenizers], line => !line.IsOfModels);
    }

    [TestMethod, TestCategory("Parity")]
    public void EveryExceptionIsOfACaseThatIsServed()
    {
        SharedData.RequireDefault("PARITY_ROOT", SharedData.Parity);
        string[] served = [.. CaseNames.OfParity.Where(name => Families.Committed.Of(name).IsServed)];
        Assert.IsEmpty(CaseExceptions.All.Where(exception => !served.Contains(exception.Case)));
    }

    [TestMethod]
    public void EveryRunnerThatALineNamesExists()
    {
        string[] known = [.. ParityTests.Runners.Keys, Tokenization.ParityTests.Runner];
        CollectionAssert.AreEquivalent(known, Families.Committed.All.Where(family => family.IsServed && !family.IsOfModels).Select(family => family.Says).Distinct().ToArray());
    }

    [TestMethod]
    public void ACaseInNeitherListFails() =>
        Assert.Contains("neither", Assert.ThrowsExactly<InvalidDataException>(() => new Families([], ["b* later"]).RunnerOf("a")).Message);

    [TestMethod]
    public void ACaseInBothListsFails() =>
        Assert.Contains("both", Assert.ThrowsExactly<InvalidDataException>(() => new Families(["a* model"], ["*a later"]).RunnerOf("a")).Message);

    [TestMethod]
    public void TheFirstLineCounts() => Assert.AreEqual("one", new Families(["ab* one", "a* two"], []).RunnerOf("abc"));

    [TestMethod]
    public void ACaseToComeIsUndecidedAndSaysWhatBringsIt() => Assert.Contains(
        "prefix tuning", Assert.ThrowsExactly<AssertInconclusiveException>(() => new Families([], ["a* prefix tuning"]).RunnerOf("a")).Message);

    [TestMethod]
    public void ALineThatMatchesNoCaseIsFound() =>
        Assert.AreEqual("b*", new Families(["a* model", "b* model"], []).Unused(["a"]).Single().Pattern);

    [TestMethod]
    public void ALineThatAnotherHidesIsFound() =>
        Assert.AreEqual("ab", new Families(["a* model", "ab model"], []).Unused(["ab", "ac"]).Single().Pattern);

    [TestMethod]
    public void ALineThatSaysNothingIsRefused() => Assert.ThrowsExactly<InvalidDataException>(() => new Families(["a*"], []));
}
