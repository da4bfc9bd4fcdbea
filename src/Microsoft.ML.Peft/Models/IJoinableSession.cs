namespace Microsoft.ML.Peft.Models;

/// <summary>A session that takes in rows of others over the same model: continuous batching.</summary>
internal interface IJoinableSession : IDecodingSession
{
    /// <summary>Takes the rows of others behind its own; each has read what it has, padded or not. The others stay the caller's.</summary>
    void Join(IReadOnlyList<IJoinableSession> others);
}
