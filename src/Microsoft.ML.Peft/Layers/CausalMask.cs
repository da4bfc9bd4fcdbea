using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Which keys the queries of a decoder see: those up to their own position that are real and, where there is a window, near.
/// Made once a batch; kernels that know the plain triangle get no mask at all.
/// </summary>
internal sealed class CausalMask
{
    private readonly long _queries, _keys;
    private readonly Tensor? _real, _texts;
    private readonly int? _window;
    private readonly Device _device;
    private readonly Lazy<Tensor> _bias;

    /// <param name="queries">Q: they stand at the last Q of all positions.</param>
    /// <param name="keys">K</param>
    /// <param name="real">True where a key is real [B, K]; null when all are.</param>
    /// <param name="texts">The text that each token belongs to [B, K], where rows hold several that must not see each other.</param>
    /// <param name="window">How many keys a query sees at most, its own included; null for all.</param>
    /// <param name="written">Whether the triangle must be written out, for a kernel that does not know it.</param>
    /// <param name="device">Where the mask is made.</param>
    public CausalMask(long queries, long keys, Tensor? real, Tensor? texts, int? window, bool written, Device device)
    {
        (_queries, _keys, _real, _texts, _window, _device) = (queries, keys, real, texts, window < keys ? window : null, device);
        bool plain = _real is null && _texts is null && _window is null;
        IsTriangle = plain && queries == keys && queries > 1 && !written;
        _bias = new Lazy<Tensor>(MakeBias);
        Bias = IsTriangle || (plain && queries == 1) ? null : _bias.Value;
    }

    /// <param name="bias">What is added to the scores [B or 1, heads or 1, Q, K].</param>
    public CausalMask(Tensor bias) => (Bias, _device, _bias) = (bias, bias.device, new Lazy<Tensor>(bias));

    /// <summary>The kernel's own causal mask is all that is needed.</summary>
    public bool IsTriangle { get; }

    /// <summary>Additive mask [B or 1, heads or 1, Q, K]; null where no key is hidden beyond the triangle.</summary>
    public Tensor? Bias { get; }

    /// <summary>The mask of the positions that are read.</summary>
    public CausalMask Select(RowSelection rows, long batch)
    {
        if (ReferenceEquals(rows, RowSelection.All) || _queries == 1)
            return this;
        using var scope = NewDisposeScope();
        Tensor selected = rows.Select(_bias.Value.squeeze(1).expand(batch, -1, -1));
        return new CausalMask(selected.unsqueeze(1).MoveToOuterDisposeScope());
    }

    private Tensor MakeBias()
    {
        using var scope = NewDisposeScope();
        Tensor query = arange(_keys - _queries, _keys, ScalarType.Int64, _device).unsqueeze(1), key = arange(_keys, ScalarType.Int64, _device).unsqueeze(0);
        Tensor visible = key <= query;
        if (_window is { } window)
            visible = visible.logical_and(key > query - window);
        visible = visible.unsqueeze(0);
        if (_texts is not null)
            visible = visible.logical_and(_texts.unsqueeze(2).eq(_texts.unsqueeze(1)));
        if (_real is not null)
        {
            visible = visible.logical_and(_real.unsqueeze(1));
            // Padding before the text would see nothing, and softmax would turn that into NaN: it sees itself.
            Tensor nothing = visible.any(-1, keepdim: true).logical_not();
            visible = visible.logical_or(nothing.logical_and(key == query));
        }
        Tensor bias = zeros(visible.shape, ScalarType.Float32, _device).masked_fill_(visible.logical_not(), float.NegativeInfinity);
        return bias.unsqueeze(1).MoveToOuterDisposeScope();
    }
}
