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

    public static void Write(string target, IEnumerable<(string Name, Tensor Value)> tensors) =>
        Entries(new PickleWriter(), tensors).WriteZip(target, "archive");

    /// <summary>Writes it under an entry of a dictionary, as training scripts do.</summary>
    public static void WriteUnder(string entry, string target, IEnumerable<(string Name, Tensor Value)> tensors) =>
        Entries(new PickleWriter().Code("}(").Text(entry), tensors).Code("u").WriteZip(target, "archive");

    private static PickleWriter Entries(PickleWriter pickle, IEnumerable<(string Name, Tensor Value)> tensors)
    {
        pickle.Code("}(");
        foreach (var (name, value) in tensors)
            pickle.Text(name).Tensor(value);
        return pickle.Code("u");
    }
}
