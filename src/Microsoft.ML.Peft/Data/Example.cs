using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Data;

/// <summary>
/// What a model reads and learns at once, as named arrays: a row of the data, or a part of one. It never changes. A field that it
/// lacks reads as an empty array; a text of no token has its ids, of which there are none.
/// </summary>
internal sealed class Example
{
    // Of an object, and of an array in it.
    private const int UsualFields = 4, Overhead = 120, ArrayOverhead = 24;

    private static readonly bool[] s_set = [true];

    private (Field Field, Array Values)[] _entries = new (Field, Array)[UsualFields];
    private int _count;

    /// <inheritdoc cref="Fields.Ids"/>
    public int[] Ids { get => Get(Fields.Ids); init => Set(Fields.Ids, value); }

    /// <summary>Segment of each token (0 or 1), as many as <see cref="Ids"/>; empty where all are 0.</summary>
    public byte[] TypeIds { get => Get(Fields.TypeIds); init => SetIfAny(Fields.TypeIds, value.AsSpan().ContainsAnyExcept((byte)0) ? value : []); }

    /// <summary>The class of the row, from 0; null where none was asked for.</summary>
    public int? Label { get => Get(Fields.Label) is [var label] ? label : null; init => SetIfAny(Fields.Label, value is { } label ? [label] : []); }

    /// <summary>Label indices from 0, one for each entry of <see cref="ReadPositions"/>; empty where none were asked for.</summary>
    public int[] Labels { get => Get(Fields.Labels); init => SetIfAny(Fields.Labels, value); }

    /// <summary>Token positions that the head reads (the first piece of each word); empty where the head decides alone.</summary>
    public int[] ReadPositions { get => Get(Fields.ReadPositions); init => SetIfAny(Fields.ReadPositions, value); }

    /// <summary>Where each text begins of several that are packed into this row; empty for one text.</summary>
    public int[] Starts { get => Get(Fields.Starts); init => SetIfAny(Fields.Starts, value); }

    /// <inheritdoc cref="Fields.Truncated"/>
    public bool Truncated { get => CountOf(Fields.Truncated) > 0; init => SetIfAny(Fields.Truncated, value ? s_set : []); }

    /// <inheritdoc cref="Fields.SplitsToken"/>
    public bool SplitsToken { get => CountOf(Fields.SplitsToken) > 0; init => SetIfAny(Fields.SplitsToken, value ? s_set : []); }

    /// <summary>Stands for a row of which the longest length left nothing to learn.</summary>
    public static Example CutOff { get; } = new() { Truncated = true };

    /// <summary>Tokens.</summary>
    public int Length => Ids.Length;

    /// <summary>The classes that a loss counts: the row's, or those of its positions.</summary>
    public IEnumerable<int> Classes => Get(Fields.Label).Concat(Labels).Where(label => label >= 0);

    /// <summary>Bytes that it takes in memory, about.</summary>
    public long Size
    {
        get
        {
            long size = Overhead;
            foreach (var (kind, values) in Entries)
                size += ArrayOverhead + kind.BytesOf(values).Length;
            return size;
        }
    }

    /// <summary>The fields that there are, with their values.</summary>
    public ReadOnlySpan<(Field Field, Array Values)> Entries => _entries.AsSpan(0, _count);

    public static Example From(Encoding encoding, int[]? positions = null) => new()
    {
        Ids = encoding.Ids,
        TypeIds = encoding.TypeIds,
        ReadPositions = positions ?? [],
        Truncated = encoding.Truncated,
    };

    /// <summary>An example of the given fields.</summary>
    public static Example Of(IEnumerable<(Field Field, Array Values)> entries)
    {
        var example = new Example();
        foreach (var (field, values) in entries)
            example.Set(field, values);
        return example;
    }

    /// <summary>The values of a field; none where the example lacks it.</summary>
    public T[] Get<T>(Field<T> field)
        where T : unmanaged => Find(field) is >= 0 and var place ? (T[])_entries[place].Values : [];

    /// <summary>How many values a field has.</summary>
    public int CountOf(Field field) => Find(field) is >= 0 and var place ? _entries[place].Values.Length : 0;

    /// <summary>Whether it has the field, if without a value.</summary>
    public bool Has(Field field) => Find(field) >= 0;

    /// <summary>The same example without a field.</summary>
    public Example Without(Field field) => Of(Entries.ToArray().Where(entry => !ReferenceEquals(entry.Field, field)));

    /// <summary>The same example with other values in a field.</summary>
    public Example With<T>(Field<T> field, T[] values)
        where T : unmanaged
    {
        var copy = new Example { _entries = [.. _entries], _count = _count };
        copy.Set(field, values);
        return copy;
    }

    private void SetIfAny<T>(Field<T> field, T[] values)
        where T : unmanaged
    {
        if (values.Length > 0)
            Set(field, values);
    }

    private void Set(Field field, Array values)
    {
        int place = Find(field);
        if (place < 0)
            place = _count++;
        if (place == _entries.Length)
            Array.Resize(ref _entries, 2 * place);
        _entries[place] = (field, values);
    }

    private int Find(Field field)
    {
        for (int i = 0; i < _count; i++)
        {
            if (ReferenceEquals(_entries[i].Field, field))
                return i;
        }
        return -1;
    }
}
