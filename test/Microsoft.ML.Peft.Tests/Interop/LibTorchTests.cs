using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Tests.Interop;

/// <summary>A libtorch that does not load is told by what is wrong with it. Programs.Tests runs programs without one.</summary>
[TestClass]
public sealed class LibTorchTests
{
    [TestMethod]
    public void AnOldLibStdCppIsTold()
    {
        string message = LibTorch.Explain("libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by libLibTorchSharp.so)");
        StringAssert.Contains(message, "<PeftPatchLibTorchSharp>true</PeftPatchLibTorchSharp>");
        Assert.DoesNotContain("TorchSharp-cpu", message);
    }

    [TestMethod]
    public void AMissingPackageIsTold()
    {
        string message = LibTorch.Explain("libtorch.so: cannot open shared object file");
        foreach (string word in new[] { "TorchSharp-cpu", "TorchSharp-cuda-linux", "0.107.0", "cannot open shared object file" })
            StringAssert.Contains(message, word);
        Assert.DoesNotContain("PeftPatchLibTorchSharp", message);
    }

    [TestMethod]
    public void WhatTorchSharpThrowsIsExplained()
    {
        Assert.IsNull(LibTorch.Failure(() => { }));
        string? message = LibTorch.Failure(() => throw new TypeInitializationException("TorchSharp.torch", new NotSupportedException("no reference\nTrace")));
        StringAssert.Contains(message, "no reference");
        Assert.DoesNotContain("Trace", message);
        Assert.ThrowsExactly<InvalidCastException>(() => LibTorch.Failure(() => throw new InvalidCastException()));
    }
}
