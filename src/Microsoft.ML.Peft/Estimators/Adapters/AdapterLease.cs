using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>A call's hold on the adapters that it uses.</summary>
/// <param name="owner">Their set.</param>
/// <param name="used">The adapters.</param>
/// <param name="keys">The slots' name for each row; null for the bare base. One for all rows, or one a row.</param>
internal sealed class AdapterLease(AdapterSet owner, IReadOnlyList<PeftAdapter> used, IReadOnlyList<string?> keys) : IDisposable
{
    private bool _disposed;

    public IReadOnlyList<PeftAdapter> Used => used;

    public IReadOnlyList<string?> Keys => keys;

    /// <summary>The call of a batch whose rows come in the order of <see cref="Keys"/>; the caller disposes its rows.</summary>
    public ForwardContext Context(Device device) => ForwardContext.ForRows(keys, device);

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        owner.Exit(used);
    }
}
