using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>
/// A model in the act of writing: it remembers what each row has read and gives the logits of the next token. The logits
/// belong to the caller; what the session remembers is its own, whatever dispose scope is open around a call.
/// </summary>
internal interface IDecodingSession : IDisposable
{
    /// <summary>How many rows it holds.</summary>
    int Rows { get; }

    /// <summary>The model's positions, without those of its rows' virtual tokens.</summary>
    int MaxLength { get; }

    /// <summary>Reads prompts that are padded on the left, or further tokens of rows that it has, as a chat's next turn.</summary>
    /// <param name="ids">[B, S], of 64 bits, on the CPU.</param>
    /// <param name="mask">[B, S], true where a token is real; null if none is padding.</param>
    /// <returns>[B, V]: the logits after each row's last token.</returns>
    Tensor Read(Tensor ids, Tensor? mask);

    /// <summary>Reads one token a row.</summary>
    /// <returns>[B, V]</returns>
    Tensor Next(long[] ids);

    /// <summary>The rows to go on with, by index: repeats rows (beams), puts them in order, and drops those left out.</summary>
    void Keep(long[] rows);
}

/// <summary>A session that takes in rows of others over the same model: continuous batching.</summary>
internal interface IJoinableSession : IDecodingSession
{
    /// <summary>Takes the rows of others behind its own; each has read what it has, padded or not. The others stay the caller's.</summary>
    void Join(IReadOnlyList<IJoinableSession> others);
}
