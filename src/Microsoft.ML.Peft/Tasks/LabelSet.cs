using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>The values behind a key-typed label, in key order; empty for a task without labels.</summary>
internal sealed record LabelSet(IReadOnlyList<string> Names)
{
    public static LabelSet None { get; } = new([]);

    public int Count => Names.Count;

    public VBuffer<ReadOnlyMemory<char>> ToBuffer() => new(Count, Names.Select(n => n.AsMemory()).ToArray());
}
