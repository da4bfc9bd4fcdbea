using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>How llama.cpp's converter laid a weight out, and the way back.</summary>
internal abstract record Arrangement
{
    public static Arrangement AsIs { get; } = new Same();

    /// <summary>GPT-2's Conv1D has [in, out] on Hugging Face, [out, in] here.</summary>
    public static Arrangement Transposed { get; } = new Swapped();

    /// <summary>Rotary pairs lie side by side here (0, 1, 2, 3, ...), half a head apart on Hugging Face (0, 2, ..., 1, 3, ...).</summary>
    public static Arrangement Interleaved(long heads) => new Paired(heads);

    public virtual long[] ShapeOf(long[] stored) => stored;

    /// <summary>Whether a tensor of this shape can be put back; what would be needed otherwise.</summary>
    public virtual string? Refuses(long[] stored) => null;

    /// <summary>Puts a tensor back, which it disposes unless it returns it.</summary>
    public virtual Tensor Restore(Tensor stored) => stored;

    /// <summary>Puts a matrix [out, rank], whose rows are those of the weight on Hugging Face, into the file's order.</summary>
    public virtual Tensor StoreOutputs(Tensor rows) => rows;

    /// <summary>The way back.</summary>
    public virtual Tensor RestoreOutputs(Tensor rows) => rows;

    private sealed record Same : Arrangement;

    private sealed record Swapped : Arrangement
    {
        public override long[] ShapeOf(long[] stored) => stored.Length == 2 ? [stored[1], stored[0]] : stored;

        // A bias has nothing to transpose.
        public override Tensor Restore(Tensor stored)
        {
            if (stored.dim() != 2)
                return stored;
            using (stored)
            using (Tensor view = stored.t())
                return view.contiguous();
        }
    }

    private sealed record Paired(long Heads) : Arrangement
    {
        public override string? Refuses(long[] stored) =>
            stored.Length > 0 && stored[0] % (2 * Heads) == 0 ? null : $"{Heads} heads of an even number of rows";

        public override Tensor Restore(Tensor stored)
        {
            using (stored)
                return RestoreOutputs(stored);
        }

        public override Tensor StoreOutputs(Tensor rows) => Swap(rows, 2, rows.size(0) / Heads / 2);

        public override Tensor RestoreOutputs(Tensor rows) => Swap(rows, rows.size(0) / Heads / 2, 2);

        private Tensor Swap(Tensor rows, long outer, long inner)
        {
            using DisposeScope scope = NewDisposeScope();
            return rows.reshape(Heads, outer, inner, -1).transpose(1, 2).reshape(rows.Sizes()).MoveToOuterDisposeScope();
        }
    }
}
