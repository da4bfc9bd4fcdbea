using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>The last step from hidden states to logits.</summary>
internal abstract class Head
{
    /// <summary>Weights outside the base, which train with the tuner.</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Those of them whose rows are the task's classes; none by default.</summary>
    public virtual IReadOnlyList<Parameter> ClassRows => [];

    /// <summary>What it works out of what was trained, and keeps beside it; nothing by default.</summary>
    public virtual IReadOnlyList<Parameter> Constants => [];

    /// <summary>The positions that it reads of a model's hidden states; all by default.</summary>
    public virtual PositionSelection Rows(Batch batch) => PositionSelection.All;

    /// <summary>Whether it reads the first position of a row ([CLS]), of which there may be another once a prompt stands before the row.</summary>
    public virtual bool ReadsFirst => false;

    /// <param name="hidden">What the head reads: of a text's model [B, positions, hidden], the rows that <see cref="Rows"/> asked for.</param>
    /// <param name="batch">The rows that they come from.</param>
    /// <param name="context">The call.</param>
    public abstract Tensor Forward(Tensor hidden, Batch batch, ForwardContext context);
}
