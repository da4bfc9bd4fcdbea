using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Chat;

/// <summary>
/// Requests under one adapter, each with its lease, that are answered together: a step is one forward over all of them. Newcomers are read by
/// themselves and join behind the others; those that are done leave before the next step.
/// </summary>
/// <param name="open">Opens a session that has read nothing under a lease.</param>
internal sealed class ChatBatch(Func<ModelLease, IJoinableSession> open) : IDisposable
{
    private List<ChatRequest> _requests = [];
    private IJoinableSession? _session;

    public int Count => _requests.Count;

    /// <summary>Reads the prompts of newcomers and writes their first tokens.</summary>
    public void Admit(IEnumerable<ChatRequest> newcomers)
    {
        var sessions = new List<IJoinableSession>();
        var joining = new List<ChatRequest>();
        foreach (ChatRequest request in newcomers)
        {
            if (Start(request) is not { } session)
                continue;
            sessions.Add(session);
            joining.Add(request);
        }
        _requests = [.. _requests, .. joining];
        if (joining.Count > 0)
            Guard(() => Join(sessions));
    }

    /// <summary>Lets those leave that are done, and writes a token for each of the others.</summary>
    public void Step()
    {
        if (Count > 0)
            Guard(Advance);
    }

    /// <summary>All leave.</summary>
    public void Clear(Exception failure)
    {
        foreach (ChatRequest request in _requests)
            request.Leave(failure);
        _requests = [];
        Dispose();
    }

    public void Dispose()
    {
        _session?.Dispose();
        _session = null;
    }

    // A prompt that the model cannot read is its own request's failure.
    private IJoinableSession? Start(ChatRequest request)
    {
        IJoinableSession? session = null;
        Exception? failure = null;
        try
        {
            if (!request.IsDone)
            {
                session = open(request.Lease);
                using var scope = NewDisposeScope();
                request.Write(Prompts.Read(session, [request.Prompt], times: 1));
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
        if (failure is null && !request.IsDone)
            return session;
        session?.Dispose();
        request.Leave(failure);
        return null;
    }

    private void Join(List<IJoinableSession> sessions)
    {
        try
        {
            if (_session is null)
            {
                _session = sessions[0];
                sessions.RemoveAt(0);
            }
            if (sessions.Count > 0)
                _session.Join(sessions);
        }
        finally
        {
            sessions.ForEach(session => session.Dispose());
        }
    }

    private void Advance()
    {
        LetGo();
        if (Count == 0)
            return;
        using var scope = NewDisposeScope();
        using Tensor logits = _session!.Next([.. _requests.Select(request => (long)request.Last)]);
        for (int i = 0; i < Count; i++)
            _requests[i].Write(logits.narrow(0, i, 1));
        LetGo();
    }

    private void LetGo()
    {
        // Looked at once: a request may be cancelled meanwhile.
        int[] staying = [.. Enumerable.Range(0, Count).Where(i => !_requests[i].IsDone)];
        if (staying.Length == Count)
            return;
        ChatRequest[] leaving = [.. _requests.Where((_, i) => Array.BinarySearch(staying, i) < 0)];
        _requests = [.. staying.Select(i => _requests[i])];
        if (Count == 0)
            Dispose();
        else
            _session!.Keep([.. staying.Select(i => (long)i)]);
        foreach (ChatRequest request in leaving)
            request.Leave();
    }

    // What fails for the batch fails for all in it.
    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception failure)
        {
            Clear(failure);
        }
    }
}
