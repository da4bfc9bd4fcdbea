using Microsoft.ML.Peft.Estimators;

namespace Microsoft.ML.Peft.Chat;

/// <summary>
/// Answers requests as they come (continuous batching, Yu et al. 2022): one thread owns all sessions, newcomers join the batch
/// before the next step, and those that are done leave after the last. Nothing of a model crosses an await.
/// </summary>
/// <remarks>
/// A request has its lease while it is answered, not while it waits for a place: an answer ends under the adapter it began with, and
/// a merge waits for the answers that are being written, not for the queue. Newcomers wait for the merge without holding anything up.
/// </remarks>
internal sealed class ChatScheduler : IDisposable
{
    private readonly object _lock = new();
    private readonly List<ChatRequest> _waiting = [];
    // One batch for each adapter by its key in the slots, which another one of its name does not share: they have the base in
    // common, and a step goes through them in turn.
    private readonly Dictionary<string, ChatBatch> _batches = [];
    private readonly ChatModel _model;
    private readonly int _maxRequests, _maxWaiting;
    private readonly Thread _thread;
    private bool _closed;

    /// <param name="model">The model.</param>
    /// <param name="maxRequests">Requests that are answered at once.</param>
    /// <param name="maxWaiting">Requests that may wait beyond.</param>
    public ChatScheduler(ChatModel model, int maxRequests, int maxWaiting)
    {
        (_model, _maxRequests, _maxWaiting) = (model, maxRequests, maxWaiting);
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
            List<ChatRequest> later = Admit(newcomers);
            foreach (ChatBatch batch in _batches.Values)
                batch.Step();
            foreach (string key in _batches.Keys.Where(key => _batches[key].Count == 0).ToArray())
                _batches.Remove(key);
            lock (_lock)
            {
                _waiting.InsertRange(0, later);
                Active = _batches.Values.Sum(batch => batch.Count);
            }
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

    // Gives those back that have to wait for a change of the base.
    private List<ChatRequest> Admit(List<ChatRequest> newcomers)
    {
        List<ChatRequest> begun = [], later = [];
        foreach (ChatRequest request in newcomers)
        {
            // The change waits for whatever has a lease: only who has none may wait for the change.
            bool mayWait = _batches.Count == 0 && begun.Count == 0;
            if (Begin(request, mayWait) is { } hasBegun)
                (hasBegun ? begun : later).Add(request);
        }
        foreach (var group in begun.GroupBy(request => request.Lease.Keys[0] ?? ""))
            BatchOf(group.Key).Admit(group);
        return later;
    }

    // Whether the request has begun; null where it cannot, and has left.
    private bool? Begin(ChatRequest request, bool mayWait)
    {
        try
        {
            if ((mayWait ? _model.Enter(request.Adapter) : _model.TryEnter(request.Adapter)) is not { } lease)
                return false;
            request.Begin(lease);
            return true;
        }
        catch (Exception failure)
        {
            request.Leave(failure);
            return null;
        }
    }

    private ChatBatch BatchOf(string key) =>
        _batches.TryGetValue(key, out ChatBatch? batch) ? batch : _batches[key] = new ChatBatch(_model.Open);

    // Looked at once: a request may be cancelled meanwhile.
    private void LeaveCancelled()
    {
        ChatRequest[] cancelled = [.. _waiting.Where(request => request.IsCancelled)];
        _waiting.RemoveAll(request => Array.IndexOf(cancelled, request) >= 0);
        foreach (ChatRequest request in cancelled)
            request.Leave();
    }
}
