namespace Microsoft.ML.Peft.Models;

/// <summary>Fills blanks of a text: it reads the text from both sides and writes what belongs into each blank, behind the text and what was written before.</summary>
[Capability("fills no blanks")]
internal interface IFillsBlanks
{
    /// <summary>How many layers keep keys and values.</summary>
    int LayerCount { get; }

    /// <summary>Logits over the vocabulary of the token that comes next in what is written.</summary>
    Head CreateLanguageModelHead();
}
