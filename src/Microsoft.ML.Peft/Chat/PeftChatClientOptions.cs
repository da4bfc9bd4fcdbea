namespace Microsoft.ML.Peft;

/// <summary>Settings of <see cref="PeftChatClient"/>.</summary>
public sealed class PeftChatClientOptions
{
    /// <summary>The name that answers give the model; null (the default) for that of its folder or file.</summary>
    public string? ModelId { get; set; }

    /// <summary>
    /// The adapter that every request uses which names no other: a PEFT folder, or a LoRA adapter as a .gguf file; null (the default) for
    /// none. Its name is <c>default</c>.
    /// </summary>
    public string? AdapterFolder { get; set; }

    /// <summary>Further adapters, PEFT folders or .gguf files, by the name under which a request chooses them.</summary>
    public IDictionary<string, string> Adapters { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// Whether an adapter may name another base than this one, such as the same in another precision or format; false by default: it is
    /// refused where it names its base's hash and that is not this one's.
    /// </summary>
    public bool AllowOtherBase { get; set; }

    /// <summary>A chat template (Jinja) instead of the model's own; null (the default) for the model's.</summary>
    public string? ChatTemplate { get; set; }

    /// <summary>Requests that are answered at once, in one batch; 16 by default.</summary>
    public int MaxConcurrentRequests { get; set; } = 16;

    /// <summary>Requests that may wait for a place; 256 by default. One more is refused with <see cref="QueueFullException"/>.</summary>
    public int MaxQueuedRequests { get; set; } = 256;

    /// <summary>
    /// Forward passes of the model that run at once; null (the default) for two for each processor, together with all models in the
    /// process, and for no limit on a GPU. A client over a transformer has the transformer's (<see cref="PeftTransformer.MaxConcurrentForwards"/>).
    /// </summary>
    public int? MaxConcurrentForwards { get; set; }

    /// <summary>The GPU to run on; null (the default) for the CPU.</summary>
    public int? GpuDeviceId { get; set; }

    /// <summary>Whether to run on the CPU if the GPU is not there; true by default.</summary>
    public bool FallbackToCpu { get; set; } = true;

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxConcurrentRequests, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxQueuedRequests);
        if (MaxConcurrentForwards is { } most)
            ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(MaxConcurrentForwards));
    }
}

/// <summary>More requests wait than <see cref="PeftChatClientOptions.MaxQueuedRequests"/> allows; later there may be room.</summary>
public sealed class QueueFullException : InvalidOperationException
{
    internal QueueFullException(string message) : base(message)
    {
    }
}
