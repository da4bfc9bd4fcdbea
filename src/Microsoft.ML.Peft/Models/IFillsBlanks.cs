namespace Microsoft.ML.Peft.Models;

/// <summary>Fills blanks of a text: it reads the text from both sides and writes what belongs into each blank.</summary>
[Capability("fills no blanks")]
internal interface IFillsBlanks
{
    /// <summary>Logits over the vocabulary of the token that comes next in what is written.</summary>
    Head CreateLanguageModelHead();
}
