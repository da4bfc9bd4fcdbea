using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>The tensors of a GGUF file as single precision.</summary>
internal static class GgufParity
{
    public static void Run(ParityCase parity)
    {
        using DisposeScope scope = NewDisposeScope();
        using GgufFile file = GgufFile.Open(Path.Combine(parity.Folder, "model.gguf"));
        Assert.IsNotEmpty(file.Names);
        foreach (string name in file.Names)
        {
            parity.CheckExactly("out." + name, file.Read(name).to(ScalarType.Float32));
        }
    }
}
