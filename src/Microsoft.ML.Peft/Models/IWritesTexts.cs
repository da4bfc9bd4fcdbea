using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Models;

/// <summary>Writes texts token by token, in sessions of its own making.</summary>
[Capability("reads texts and does not write them")]
internal interface IWritesTexts
{
    /// <summary>Logits over the vocabulary of the token that comes next in what is written.</summary>
    Head CreateLanguageModelHead();

    /// <summary>What a session reads first for each row: the row's own tokens, or those that every text begins with.</summary>
    IReadOnlyList<int[]> PromptsOf(Batch batch);

    /// <summary>Opens a session that has read nothing.</summary>
    /// <param name="head">The model's head over the vocabulary.</param>
    /// <param name="batch">The rows, which outlive the session.</param>
    /// <param name="context">The call, from a lease: which adapter writes each row.</param>
    IDecodingSession Open(Head head, Batch batch, ForwardContext context);
}

/// <summary>Goes on with whatever it reads: a session needs no rows from the start, and takes further ones in.</summary>
[Capability("reads texts and does not write on: a chat needs a decoder")]
internal interface IContinuesTexts : ICausalLanguageModel
{
    /// <summary>Opens a session that has read nothing.</summary>
    /// <param name="head">The model's head over the vocabulary.</param>
    /// <param name="context">The call, from a lease.</param>
    IJoinableSession Open(Head head, ForwardContext context);
}
