using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Which keys each query sees, and what is added to its scores. The terms compose: whatever a term says stands beside the others.
/// Made once a batch; kernels that know the plain triangle get no tensor at all.
/// </summary>
internal sealed class AttentionMask
{
    private readonly MaskTerms _terms;
    private readonly Lazy<Tensor> _bias;

    public AttentionMask(MaskTerms terms)
    {
        _terms = terms with { Window = terms.Window < terms.Keys ? terms.Window : null };
        // What a context lets be seen a single query sees anyway, behind all keys of its text.
        if (_terms is { IsCausal: true, Queries: 1, Texts: null, Window: null })
            _terms = _terms with { VisiblePrefix = null, ContextEnds = null };
        bool sees = _terms is { Real: null, Texts: null, Window: null, HeadBias: null, VisiblePrefix: null, ContextEnds: null };
        // A single query stands behind all keys.
        bool all = sees && (!terms.IsCausal || terms.Queries == 1);
        IsTriangle = sees && !all && terms.Queries == terms.Keys && !terms.IsWritten;
        _bias = new Lazy<Tensor>(Make);
        Bias = all || IsTriangle ? null : _bias.Value;
    }

    private AttentionMask(MaskTerms terms, Tensor bias) => (_terms, Bias, _bias) = (terms, bias, new Lazy<Tensor>(bias));

    /// <summary>The kernel's own causal mask is all that is needed.</summary>
    public bool IsTriangle { get; }

    /// <summary>Added to the scores, [B or 1, heads or 1, Q or 1, K], -inf where a key is hidden; null where nothing is.</summary>
    public Tensor? Bias { get; }

    /// <summary>A mask of real keys alone, as encoders have it.</summary>
    /// <param name="real">True where a key is real [B, K]; null when all are.</param>
    public static AttentionMask? Padding(Tensor? real) => real is null
        ? null
        : new AttentionMask(new MaskTerms { Queries = real.size(1), Keys = real.size(1), Device = real.device, Real = real });

    /// <summary>The mask of the positions that are read.</summary>
    public AttentionMask Select(PositionSelection rows, long batch)
    {
        if (ReferenceEquals(rows, PositionSelection.All) || _terms.Queries == 1 || (Bias is null && !IsTriangle) || Bias?.size(2) == 1)
            return this;
        Tensor bias = _bias.Value;
        long heads = bias.size(1);
        using var scope = NewDisposeScope();
        // Queries beside the rows, heads beside the keys.
        Tensor flat = bias.expand(batch, -1, -1, -1).transpose(1, 2).flatten(2);
        Tensor read = rows.Select(flat).unflatten(2, heads, _terms.Keys).transpose(1, 2).contiguous();
        return new AttentionMask(_terms, read.MoveToOuterDisposeScope());
    }

    private Tensor Make()
    {
        using var scope = NewDisposeScope();
        Tensor? hidden = Visible()?.logical_not();
        Tensor? bias = hidden is null ? null
            : zeros(hidden.Sizes(), ScalarType.Float32, hidden.device).masked_fill_(hidden, float.NegativeInfinity).unsqueeze(1);
        Tensor sum = (bias, _terms.HeadBias) switch
        {
            ({ } mask, { } heads) => Elementwise.Add(heads, mask),
            _ => bias ?? _terms.HeadBias!.alias(),
        };
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>True where a key is seen, [B or 1, Q or 1, K]; null where all are.</summary>
    private Tensor? Visible()
    {
        var (keys, real) = (_terms.Keys, _terms.Real);
        // A decoder's next token sees whatever is real before it, as an encoder's tokens do.
        if (!_terms.IsCausal || (_terms is { Queries: 1, Texts: null, Window: null } && real is null))
            return real?.unsqueeze(1);
        Tensor query = Places(keys - _terms.Queries, keys).unsqueeze(1), key = Places(0, keys).unsqueeze(0);
        Tensor visible = key <= query;
        if (_terms.Window is { } window)
            visible = visible.logical_and(key > query - window);
        visible = visible.unsqueeze(0);
        if (_terms.ContextEnds is { } ends)
            visible = visible.logical_or(key < ends.unsqueeze(-1));
        if (_terms.Texts is { } texts)
            visible = visible.logical_and(SameText(texts));
        if (_terms.VisiblePrefix is { } prefix)
            visible = visible.logical_or(key < prefix.view(-1, 1, 1));
        if (real is not null)
        {
            visible = visible.logical_and(real.unsqueeze(1));
            // Padding before the text would see nothing, and softmax would turn that into NaN: it sees itself.
            Tensor nothing = visible.any(-1, keepdim: true).logical_not();
            visible = visible.logical_or(nothing.logical_and(key == query));
        }
        return visible;
    }

    // What stands before the row's own tokens (a prefix, a prompt) belongs to every text.
    private Tensor SameText(Tensor texts)
    {
        using var scope = NewDisposeScope();
        Tensor same = texts.unsqueeze(2).eq(texts.unsqueeze(1));
        long rows = texts.size(0), tokens = texts.size(1), keys = _terms.Keys - tokens, queries = _terms.Queries - tokens;
        if (keys > 0)
            same = cat([ones([rows, tokens, keys], ScalarType.Bool, same.device), same], 2);
        if (queries > 0)
            same = cat([ones([rows, queries, _terms.Keys], ScalarType.Bool, same.device), same], 1);
        return same.MoveToOuterDisposeScope();
    }

    private Tensor Places(long from, long to) => arange(from, to, ScalarType.Int64, _terms.Device);
}

/// <summary>What an <see cref="AttentionMask"/> is made of. Each term is optional, and they hold together.</summary>
internal sealed record MaskTerms
{
    /// <summary>Q: the queries stand at the last Q of all keys.</summary>
    public required long Queries { get; init; }

    /// <summary>K, those before the row's own included.</summary>
    public required long Keys { get; init; }

    public required Device Device { get; init; }

    /// <summary>A query sees no key behind its own.</summary>
    public bool IsCausal { get; init; }

    /// <summary>How many keys a causal query sees at most, its own included; null for all.</summary>
    public int? Window { get; init; }

    /// <summary>True where a key is real [B, K]; null when all are.</summary>
    public Tensor? Real { get; init; }

    /// <summary>The text that each token belongs to [B, S], where rows hold several that must not see each other; keys before them are seen by all.</summary>
    public Tensor? Texts { get; init; }

    /// <summary>How many of a row's first keys every query sees, causal or not and whatever its text [B], int64 (GLM's context).</summary>
    public Tensor? VisiblePrefix { get; init; }

    /// <summary>For each query the key behind the context of its text, of which it sees all, causal or not [B, Q], int64 (GLM's packed texts); <see cref="Texts"/> tells it from others'.</summary>
    public Tensor? ContextEnds { get; init; }

    /// <summary>Added to the scores head by head [B or 1, heads, Q or 1, K] (ALiBi's slopes, T5's relative positions).</summary>
    public Tensor? HeadBias { get; init; }

    /// <summary>The causal triangle must be written out, for a kernel that does not know it.</summary>
    public bool IsWritten { get; init; }
}
