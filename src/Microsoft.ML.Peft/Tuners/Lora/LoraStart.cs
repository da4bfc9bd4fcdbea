namespace Microsoft.ML.Peft;

/// <summary>How LoRA's matrices start.</summary>
public enum LoraStart
{
    /// <summary>A uniform at random, B zero (the default): the model starts as it was.</summary>
    Uniform,

    /// <summary>A normal at random, B zero.</summary>
    Gaussian,

    /// <summary>The weight's own largest singular parts (PiSSA, Meng et al. 2024); the rest of the weight stays frozen.</summary>
    Pissa,

    /// <summary>The first columns of the weight's QR decomposition (OLoRA, Büyükakyüz 2024); the rest stays frozen.</summary>
    Olora,

    /// <summary>
    /// Over a quantized base: the largest singular parts of what quantization lost (LoftQ, Li et al. 2023), so that base and
    /// update together start near the floats.
    /// </summary>
    Loftq,
}
