namespace Microsoft.ML.Peft.Models;

/// <summary>How a model says what a text lacks.</summary>
internal enum Writing
{
    /// <summary>It goes on where the text ends (a decoder).</summary>
    GoesOn,

    /// <summary>It reads the text and writes another one (an encoder-decoder).</summary>
    Anew,

    /// <summary>It writes behind the text what belongs into the blanks (GLM).</summary>
    InBlanks,

    /// <summary>It says one token for each mask in the text (an encoder).</summary>
    AtMasks,
}

/// <summary>Tells how a model writes by what it can do: a tokenizer does not say it, since any may have a mask token.</summary>
internal static class WritingModels
{
    private static readonly (Type Capability, Writing Writing)[] s_ways =
    [
        (typeof(IFillsBlanks), Writing.InBlanks),
        (typeof(IEncoderDecoder), Writing.Anew),
        (typeof(ICausalLanguageModel), Writing.GoesOn),
        (typeof(IMaskedLanguageModel), Writing.AtMasks),
    ];

    /// <summary>How a class of models writes.</summary>
    public static Writing Of(Type model) => s_ways.FirstOrDefault(way => model.IsAssignableTo(way.Capability)).Writing;
}
