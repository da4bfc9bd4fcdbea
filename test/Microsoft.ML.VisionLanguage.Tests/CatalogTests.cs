[assembly: DoNotParallelize]

namespace Microsoft.ML.VisionLanguage.Tests;

[TestClass]
public sealed class CatalogTests
{
    [TestMethod]
    public void TheContextOpensTheDoor() => Assert.IsNotNull(new MLContext().VisionLanguage());

    [TestMethod]
    public void NoContextIsAnError() => Assert.ThrowsExactly<ArgumentNullException>(() => ((MLContext)null!).VisionLanguage());
}
