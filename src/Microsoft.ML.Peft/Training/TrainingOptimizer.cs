namespace Microsoft.ML.Peft;

/// <summary>
/// The optimizer of a run: AdamW, its state (two values for each trained weight) held in one of four ways, or SGD. The names are those
/// of transformers' <c>optim</c>.
/// </summary>
public enum TrainingOptimizer
{
    /// <summary>State in memory, in the weights' own type: 8 bytes a weight (<c>adamw_torch</c>). The default.</summary>
    AdamW,

    /// <summary>
    /// The same steps to the bit, with the state in memory that the system may keep on the disk (<c>paged_adamw_32bit</c>), so
    /// that it may exceed the machine's memory. The file lies in the temporary folder (TMPDIR) and goes with the run.
    /// </summary>
    PagedAdamW32Bit,

    /// <summary>
    /// State in 8 bits in blocks of 256 (Dettmers et al. 2022; <c>adamw_8bit</c>): 2.03 bytes a weight, and steps that
    /// differ a little. Weights of fewer than 4096 values keep 32 bits.
    /// </summary>
    AdamW8Bit,

    /// <summary>8 bits, and in memory that the system may keep on the disk (<c>paged_adamw_8bit</c>).</summary>
    PagedAdamW8Bit,

    /// <summary>
    /// Stochastic gradient descent with momentum (<c>sgd</c>), as torch.optim.SGD has it: <see cref="TrainingOptions.Beta1"/> is the momentum, and
    /// <see cref="TrainingOptions.WeightDecay"/> is added to the gradient (L2). State: 4 bytes a weight.
    /// </summary>
    Sgd,
}
