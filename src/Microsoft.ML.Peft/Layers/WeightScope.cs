using Microsoft.ML.Peft.Quantization;

namespace Microsoft.ML.Peft.Layers;

/// <summary>The part of a model's weights below one module path.</summary>
internal readonly struct WeightScope(ModelWeights weights, string path)
{
    public string Path { get; } = path;

    /// <summary>The whole.</summary>
    public ModelWeights Weights => weights;

    public TuningSites Sites => weights.Sites;

    public WeightScope this[string name] => new(weights, Path.Length == 0 ? name : Path + "." + name);

    public Parameter Load(string name, Init init, params long[] shape) => weights.Load(this[name].Path, init, shape);

    /// <summary>Numbers that no training changes.</summary>
    public Parameter LoadConstant(string name, Init init, params long[] shape) => weights.LoadConstant(this[name].Path, init, shape);

    /// <summary>The matrix of a linear layer, in the way in which the model keeps it.</summary>
    public WeightStore LoadMatrix(long outputs, long inputs, bool transposed = false) =>
        weights.LoadMatrix(this["weight"].Path, outputs, inputs, transposed);

    /// <summary>A matrix whose rows are the vocabulary's, in the way in which the model keeps it.</summary>
    public WeightStore LoadVocabulary(long entries, long width) => weights.LoadVocabulary(this["weight"].Path, entries, width);
}
