namespace Microsoft.ML.Peft.Generation;

/// <summary>A row's tokens without padding: its prompt, and what was generated after it.</summary>
internal sealed class TokenSequence(IReadOnlyList<int> prompt)
{
    private readonly List<int> _ids = [.. prompt];

    private TokenSequence(TokenSequence other) : this(other._ids) => PromptLength = other.PromptLength;

    public int PromptLength { get; } = prompt.Count;

    public int Length => _ids.Count;

    public int GeneratedLength => Length - PromptLength;

    public ReadOnlySpan<int> Ids => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_ids);

    public int[] Generated() => [.. _ids[PromptLength..]];

    public void Add(int id) => _ids.Add(id);

    /// <summary>The same tokens and one more.</summary>
    public TokenSequence With(int id)
    {
        var longer = new TokenSequence(this);
        longer.Add(id);
        return longer;
    }
}
