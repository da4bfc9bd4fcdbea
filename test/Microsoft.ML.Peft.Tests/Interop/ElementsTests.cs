using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Interop;

/// <summary>What goes to kernels is checked, inputs and outputs alike, and lives until they are done.</summary>
[TestClass]
public sealed class ElementsTests
{
    [TestMethod]
    public void KernelsTakeNoAddresses()
    {
        MethodInfo[] methods = typeof(NativeMethods).GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
        ParameterInfo[] parameters = [.. methods.Where(method => !method.Name.Contains('<', StringComparison.Ordinal)).SelectMany(method => method.GetParameters())];
        Assert.IsGreaterThan(50, parameters.Length);
        string[] raw = [.. parameters.Where(p => p.ParameterType.IsPointer || p.ParameterType == typeof(nint)).Select(p => $"{p.Member.Name}({p.Name})")];
        Assert.IsEmpty(raw, string.Join(", ", raw));
    }

    [TestMethod]
    public void ATensorOfAnotherKindIsRefused()
    {
        using var scope = NewDisposeScope();
        Refuses(zeros([2, 3], ScalarType.BFloat16, CPU), "BFloat16 [2, 3]");
        Refuses(zeros([2, 3], ScalarType.Float64, CPU), "Float64");
        Refuses(zeros([2, 3], ScalarType.Float32, META), "meta");
        Refuses(zeros([2, 3], ScalarType.Float32, CPU).t(), "strides 1, 3");
        Assert.Throws<InvalidOperationException>(() => _ = (Elements<byte>)zeros([2], ScalarType.Int64, CPU));

        static void Refuses(Tensor tensor, string found) =>
            StringAssert.Contains(Assert.Throws<InvalidOperationException>(() => _ = (Elements<float>)tensor).Message, found);
    }

    [TestMethod]
    public unsafe void NothingIsNull()
    {
        Assert.IsTrue(((Elements<float>)(Tensor?)null).Address is null);
        Assert.IsTrue(default(Elements<byte>).Address is null);
    }

    [TestMethod]
    public void ATensorLivesUntilTheCallIsDone()
    {
        ElementsMarshaller<float>.Call call = default;
        WeakReference given = Begin(ref call);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.IsTrue(given.IsAlive);
        call.Free();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Begin(ref ElementsMarshaller<float>.Call call)
        {
            Tensor tensor = zeros([1000], ScalarType.Float32, CPU);
            call.FromManaged(tensor);
            return new(tensor);
        }
    }

    [TestMethod]
    public void AKernelWithoutMemorySaysSo()
    {
        NativeFact.Require();
        // Nothing is read before there is memory for the scores of so many keys.
        var call = new QueryCall { Batch = 1, Heads = 1, Groups = 1, Keys = 1L << 55, Size = 1 };
        StringAssert.Contains(
            Assert.Throws<OutOfMemoryException>(() => NativeMethods.QueryAttention(NativeMethods.BestIsa, call, default)).Message, "peft_native");
    }
}
