using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Data;

/// <summary>How the arrays that the rows of a batch have of one field become a tensor.</summary>
internal enum Collation
{
    /// <summary>Not at all: whoever needs them reads the rows.</summary>
    None,

    /// <summary>Filled up to the longest [B, longest].</summary>
    Padded,

    /// <summary>One value a row [B].</summary>
    Scalar,

    /// <summary>As many values in each row [B, values].</summary>
    Stacked,
}

/// <summary>An array that rows have under a name. It is declared once, and says all that storing and collating need to know.</summary>
internal abstract class Field(string name, Collation collation)
{
    public string Name { get; } = name;

    public Collation Collation { get; } = collation;

    /// <summary>The tensor's name in a batch: fields of which a row has one at most may share it.</summary>
    public string TensorName { get; init; } = name;

    /// <summary>The field whose entries these go with: it is filled up to that one's longest.</summary>
    public Field? Along { get; init; }

    /// <summary>The name of the tensor that is true where a row has entries and false where it is filled up; null where nobody asks.</summary>
    public string? MaskName { get; init; }

    /// <summary>It is what training learns, and left out otherwise.</summary>
    public bool IsLabel { get; init; }

    /// <summary>It is for messages: what a run learns does not depend on it.</summary>
    public bool IsNote { get; init; }

    /// <summary>The values as they lie in memory.</summary>
    public abstract ReadOnlySpan<byte> BytesOf(Array values);

    /// <summary>The values that <see cref="BytesOf"/> gave.</summary>
    public abstract Array FromBytes(ReadOnlySpan<byte> bytes);

    /// <summary>The rows' values as one tensor, which the caller's dispose scope owns.</summary>
    /// <exception cref="InvalidOperationException">A row has other than the values that the collation asks for.</exception>
    public abstract Tensor Collate(IReadOnlyList<Example> rows, Device device);

    /// <summary>Which entries are real [B, longest], bool; null where no row is filled up.</summary>
    public Tensor? MaskOf(IReadOnlyList<Example> rows, Device device)
    {
        int width = WidthOf(rows);
        if (rows.All(row => row.CountOf(this) == width))
            return null;
        var real = new bool[rows.Count * width];
        for (int i = 0; i < rows.Count; i++)
            real.AsSpan(i * width, rows[i].CountOf(this)).Fill(true);
        return from_array(real, device: device).view(rows.Count, width);
    }

    protected int WidthOf(IReadOnlyList<Example> rows) => Math.Max(1, rows.Max(row => row.CountOf(Along ?? this)));

    public override string ToString() => Name;
}

/// <summary>A field of one element type.</summary>
/// <param name="name">Its name.</param>
/// <param name="collation">What a batch makes of it.</param>
/// <param name="type">The tensor's type.</param>
/// <param name="filler">What fills rows up.</param>
internal sealed class Field<T>(string name, Collation collation, ScalarType type = ScalarType.Int64, T filler = default) : Field(name, collation)
    where T : unmanaged
{
    public override ReadOnlySpan<byte> BytesOf(Array values) => MemoryMarshal.AsBytes<T>((T[])values);

    public override Array FromBytes(ReadOnlySpan<byte> bytes) => MemoryMarshal.Cast<byte, T>(bytes).ToArray();

    public override Tensor Collate(IReadOnlyList<Example> rows, Device device)
    {
        int width = Collation == Collation.Scalar ? 1 : WidthOf(rows);
        var values = new T[rows.Count * width];
        if (Collation == Collation.Padded)
            values.AsSpan().Fill(filler);
        for (int i = 0; i < rows.Count; i++)
        {
            T[] row = rows[i].Get(this);
            if (Collation != Collation.Padded && row.Length != width)
                throw new InvalidOperationException($"A row of the batch has {row.Length} values in '{Name}', expected {width}.");
            row.CopyTo(values, i * width);
        }
        Tensor flat = from_array(values, device: device).to(type);
        return Collation == Collation.Scalar ? flat : flat.view(rows.Count, width);
    }
}
