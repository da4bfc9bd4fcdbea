using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Writes a state dict as <c>torch.save</c> does.</summary>
public static class PickledStateDict
{
    /// <summary>Turns a safetensors file into a file of <c>torch.save</c>.</summary>
    public static void FromSafetensors(string source, string target)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(source);
        Write(target, file.Names.Select(name => (name, file.Read(name).to(ScalarType.Float32))));
    }

    public static void Write(string target, IEnumerable<(string Name, Tensor Value)> tensors)
    {
        PickleWriter pickle = new PickleWriter().Code("}(");
        foreach (var (name, value) in tensors)
            pickle.Text(name).Tensor(value);
        pickle.Code("u").WriteZip(target, "archive");
    }
}
