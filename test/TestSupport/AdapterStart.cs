using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>An adapter folder of a case: its tensors, and where training starts from.</summary>
internal static class AdapterStart
{
    // What trains, where the adapter's own file holds only what is made of it (an encoder's output).
    private const string TrainableName = "trainable.safetensors";

    private const string Wrapped = ".modules_to_save.default.", Named = ".default.";

    public static void Import(ITuner tuner, string folder)
    {
        using AdapterState saved = AdapterFolder.Read(folder);
        tuner.Import(saved.Tensors);
    }

    /// <summary>Sets every trained parameter to its value at the first step.</summary>
    public static void Train(ITuner tuner, string folder)
    {
        string file = Path.Combine(folder, TrainableName);
        if (!File.Exists(file))
        {
            Import(tuner, folder);
            return;
        }
        using ITensorSource source = SafetensorsFile.Open(file);
        var names = source.Names.ToDictionary(NameOf);
        CollectionAssert.AreEquivalent(names.Keys.ToList(), tuner.Trainable.Select(p => p.Name).ToList(), file);
        foreach (Parameter parameter in tuner.Trainable)
        {
            using var values = source.Read(names[parameter.Name]);
            CollectionAssert.AreEqual(parameter.Value.shape, values.shape, parameter.Name);
            parameter.Assign(values);
        }
    }

    /// <summary>A PyTorch name without what PEFT's wrappers put into it: the base under its own names, the encoder under its path.</summary>
    private static string NameOf(string name)
    {
        string bare = name.StartsWith(PeftNames.Prefix, StringComparison.Ordinal) ? name[PeftNames.Prefix.Length..]
            : name.StartsWith("base_model.", StringComparison.Ordinal) ? name["base_model.".Length..]
            : name;
        return bare.Replace(Wrapped, ".", StringComparison.Ordinal).Replace(Named, ".", StringComparison.Ordinal);
    }
}
