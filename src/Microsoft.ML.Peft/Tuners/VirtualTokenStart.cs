namespace Microsoft.ML.Peft;

/// <summary>How virtual tokens start that stand in a row beside its own.</summary>
public enum VirtualTokenStart
{
    /// <summary>Drawn from a normal distribution of deviation 1, as PEFT draws them: far larger than a model's own token vectors.</summary>
    Random,

    /// <summary>The vectors of tokens drawn from the whole vocabulary.</summary>
    SampledVocabulary,

    /// <summary>The vectors of a text's tokens, repeated or cut to as many as there are virtual ones.</summary>
    Text,

    /// <summary>
    /// The names of the task's classes, one virtual token each: the mean over the name's tokens; those that are left start as
    /// <see cref="SampledVocabulary"/> does (Lester et al. 2021).
    /// </summary>
    ClassLabels,
}
