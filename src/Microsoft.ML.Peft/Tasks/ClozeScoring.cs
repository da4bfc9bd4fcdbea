namespace Microsoft.ML.Peft;

/// <summary>How the words that stand for classes are scored.</summary>
public enum ClozeScoring
{
    /// <summary>Each is one token, of which the model says how likely it is at the gap (the default). A word that is cut into several is refused.</summary>
    OneToken,

    /// <summary>
    /// The mean log-likelihood of a word's tokens, of which it may have several, or of a column's: an encoder says each at a mask of its own, all
    /// side by side; a decoder in turn, each behind those before it, and what stands behind the gap too; a model that fills blanks (GLM) in turn, and the end of the word. The model
    /// reads a row once for each class.
    /// </summary>
    MeanOfTokens,

    /// <summary>The same summed: the likelihood of the whole word, for which longer words have to be the likelier token by token.</summary>
    SumOfTokens,
}
