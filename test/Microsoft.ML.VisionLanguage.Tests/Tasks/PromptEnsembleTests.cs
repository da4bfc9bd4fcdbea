using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

[TestClass]
public sealed class PromptEnsembleTests
{
    [TestMethod]
    public void ALabelIsPutInOnce()
    {
        var prompts = new PromptEnsemble(["a {label}", "b $1 {}"], ["the {}.", "{label}, or {}"]);
        CollectionAssert.AreEqual(
            new[] { "the a {label}.", "a {label}, or a {label}", "the b $1 {}.", "b $1 {}, or b $1 {}" }, prompts.Prompts.ToArray());
        Assert.AreEqual("Label 'b $1 {}' in the template 'the {}.'", prompts.NameOf(2));
    }

    /// <summary>(1, 0) and (0, 1) mean (½, ½), which has the length √½; (0.6, 0.8) twice stays.</summary>
    [TestMethod]
    public void AMeanHasLengthOne()
    {
        float[] classes = new PromptEnsemble(["x", "y"], ["{} 1", "{} 2"]).Average([[1, 0], [0, 1], [0.6f, 0.8f], [0.6f, 0.8f]]);
        double[] expected = [Math.Sqrt(0.5), Math.Sqrt(0.5), 0.6, 0.8];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], classes[i], 1e-6);
    }
}
