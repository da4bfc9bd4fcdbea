namespace Microsoft.ML.Peft.Tests;
[TestClass] public sealed class Smoke { [TestMethod] public void Torch() => Assert.AreEqual(2f, (TorchSharp.torch.ones(2).sum()).item<float>()); }
