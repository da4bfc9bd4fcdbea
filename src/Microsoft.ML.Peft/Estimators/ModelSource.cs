namespace Microsoft.ML.Peft;

/// <summary>The model that a method starts from: a folder or .gguf file by its path, or <see cref="Nf4Quantize"/> of one.</summary>
public sealed class ModelSource
{
    private ModelSource(string path, QuantizationOptions? quantization) => (Path, Quantization) = (path, quantization);

    /// <summary>The folder of a Hugging Face model, or a .gguf file.</summary>
    public string Path { get; }

    /// <summary>How the model's matrices are kept; null for floats.</summary>
    public QuantizationOptions? Quantization { get; }

    /// <summary>The path, and the format of a quantized model.</summary>
    /// <returns>The path.</returns>
    public override string ToString() => Quantization is null ? Path : $"{Path} in {Quantization.Format}";

    /// <summary>A model as it is.</summary>
    /// <param name="path">The folder of a Hugging Face model, or a .gguf file.</param>
    public static implicit operator ModelSource(string path) => FromString(path);

    /// <summary>A quantized model.</summary>
    /// <param name="quantize">The estimator that quantizes it.</param>
    public static implicit operator ModelSource(Nf4Quantize quantize) => FromNf4Quantize(quantize);

    /// <summary>A model as it is.</summary>
    /// <param name="path">The folder of a Hugging Face model, or a .gguf file.</param>
    /// <returns>The source.</returns>
    public static ModelSource FromString(string path) => new(path, null);

    /// <summary>A quantized model.</summary>
    /// <param name="quantize">The estimator that quantizes it.</param>
    /// <returns>The source.</returns>
    public static ModelSource FromNf4Quantize(Nf4Quantize quantize)
    {
        ArgumentNullException.ThrowIfNull(quantize);
        return new(quantize.Settings.BaseModel, quantize.Settings.Quantization);
    }
}
