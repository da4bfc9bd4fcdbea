using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Looks for weights that are no numbers, where they are read anyway or about to be used.</summary>
internal static class FiniteWeights
{
    /// <exception cref="InvalidDataException">A value is NaN or infinite; the message names the tensor.</exception>
    public static void Check(Tensor tensor, string file, string name)
    {
        if (!tensor.is_floating_point())
            return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        // A sum is one pass that takes no memory; only where it is not finite itself does each number count.
        if (float.IsFinite(tensor.sum().to(ScalarType.Float32).item<float>()))
            return;
        long bad = tensor.numel() - tensor.isfinite().sum().item<long>();
        if (bad > 0)
            throw Malformed.Tensor(file, name, "finite numbers", $"{bad} of {tensor.numel()} that are NaN or infinite");
    }

    /// <summary>The same for every tensor of a source.</summary>
    /// <exception cref="InvalidDataException">A value is NaN or infinite; the message names the tensor.</exception>
    public static void Check(ITensorSource source)
    {
        foreach (string name in source.Names)
        {
            using Tensor tensor = source.Read(name);
            Check(tensor, source.Description, name);
        }
    }
}
