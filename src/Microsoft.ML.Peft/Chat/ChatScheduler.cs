using Microsoft.ML.Peft.Generation;

namespace Microsoft.ML.Peft.Chat;

/// <summary>
/// Answers requests as they come (continuous batching, Yu et al. 2022): one thread owns all sessions, newcomers join the batch
/// before the next step, and those that are done leave after the last. Nothing of a model crosses an await.
/// </summary>
internal sealed class ChatScheduler : IDisposable
{
    private readonly object _lock = new();
    private readonly List<ChatRequest> _waiting = [];
    // One batch for each adapter: they share the base, and a step goes through them in turn.
    private readonly Dictionary<string, ChatBatch> _batches = [];
    private readonly Func<string?, DecoderSession> _createSession;
    private readonly int _maxRequests, _maxWaiting;
    private readonly Thread _thread;
    private bool _closed;

    /// <param name="createSession">Makes a session under an adapter.</param>
    /// <param name="maxRequests">Requests that are answered at once.</param>
    /// <param name="maxWaiting">Requests that may wait beyond.</param>
    public ChatScheduler(Func<string?, DecoderSession> createSession, int maxRequests, int maxWaiting)
    {
        (_createSession, _maxRequests, _maxWaiting) = (createSession, maxRequests, maxWaiting);
        _thread = new Thread(Run) { IsBackground = true, Name = nameof(ChatScheduler) };
        _thread.Start();
    }

    /// <summary>Requests that are being answered.</summary>
    public int Active { get; private set; }

    /// <summary>Requests that wait for a place.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting.Count;
        }
    }

    /// <exception cref="QueueFullException">Too many wait already.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed.</exception>
    public void Add(ChatRequest request)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, typeof(PeftChatClient));
            LeaveCancelled();
            if (_waiting.Count + Active >= _maxRequests + _maxWaiting)
            {
                throw new QueueFullException(
                    $"{Active} requests are being answered and {_waiting.Count} wait; {nameof(PeftChatClientOptions.MaxConcurrentRequests)} is {_maxRequests} and {nameof(PeftChatClientOptions.MaxQueuedRequests)} {_maxWaiting}. Try again later.");
            }
            _waiting.Add(request);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Ends all requests, and returns when the sessions are gone.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            Monitor.Pulse(_lock);
        }
        _thread.Join();
    }

    private void Run()
    {
        while (Next() is { } newcomers)
        {
            foreach (var group in newcomers.GroupBy(request => request.Adapter))
                BatchOf(group.Key).Admit(group);
            foreach (ChatBatch batch in _batches.Values)
                batch.Step();
            lock (_lock)
                Active = _batches.Values.Sum(batch => batch.Count);
        }
        foreach (ChatBatch batch in _batches.Values)
            batch.Clear(new ObjectDisposedException(nameof(PeftChatClient)));
    }

    // Waits for something to do; null when there is nothing more.
    private List<ChatRequest>? Next()
    {
        lock (_lock)
        {
            while (!_closed && _waiting.Count == 0 && Active == 0)
                Monitor.Wait(_lock);
            LeaveCancelled();
            List<ChatRequest> newcomers = [.. _waiting.Take(_closed ? _waiting.Count : _maxRequests - Active)];
            _waiting.RemoveRange(0, newcomers.Count);
            if (_closed)
            {
                newcomers.ForEach(request => request.Leave(new ObjectDisposedException(nameof(PeftChatClient))));
                return null;
            }
            Active += newcomers.Count;
            return newcomers;
        }
    }

    private ChatBatch BatchOf(string? adapter)
    {
        string name = adapter ?? "";
        return _batches.TryGetValue(name, out ChatBatch? batch) ? batch : _batches[name] = new ChatBatch(() => _createSession(adapter));
    }

    // Looked at once: a request may be cancelled meanwhile.
    private void LeaveCancelled()
    {
        ChatRequest[] cancelled = [.. _waiting.Where(request => request.IsCancelled)];
        _waiting.RemoveAll(request => Array.IndexOf(cancelled, request) >= 0);
        foreach (ChatRequest request in cancelled)
            request.Leave();
    }
}
