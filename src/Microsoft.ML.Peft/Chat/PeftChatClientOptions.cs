namespace Microsoft.ML.Peft;

/// <summary>Settings of <see cref="PeftChatClient"/>.</summary>
public sealed class PeftChatClientOptions
{
    /// <summary>The name that answers give the model; null (the default) for that of its folder or file.</summary>
    public string? ModelId { get; set; }

    /// <summary>
    /// The folder of a PEFT adapter that every request uses which names no other; null (the default) for none. Its name is
    /// <c>default</c>.
    /// </summary>
    public string? AdapterFolder { get; set; }

    /// <summary>Folders of further PEFT adapters by the name under which a request chooses them.</summary>
    public IDictionary<string, string> Adapters { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>A chat template (Jinja) instead of the model's own; null (the default) for the model's.</summary>
    public string? ChatTemplate { get; set; }

    /// <summary>Requests that are answered at once, in one batch; 16 by default.</summary>
    public int MaxConcurrentRequests { get; set; } = 16;

    /// <summary>Requests that may wait for a place; 256 by default. One more is refused with <see cref="QueueFullException"/>.</summary>
    public int MaxQueuedRequests { get; set; } = 256;

    /// <summary>The GPU to run on; null (the default) for the CPU.</summary>
    public int? GpuDeviceId { get; set; }

    /// <summary>Whether to run on the CPU if the GPU is not there; true by default.</summary>
    public bool FallbackToCpu { get; set; } = true;

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxConcurrentRequests, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxQueuedRequests);
    }
}

/// <summary>More requests wait than <see cref="PeftChatClientOptions.MaxQueuedRequests"/> allows; later there may be room.</summary>
public sealed class QueueFullException : InvalidOperationException
{
    internal QueueFullException(string message) : base(message)
    {
    }
}
