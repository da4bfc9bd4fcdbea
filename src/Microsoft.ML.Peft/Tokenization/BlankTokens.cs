namespace Microsoft.ML.Peft.Tokenization;

/// <summary>The special tokens that a model which fills blanks was taught (GLM, Du et al. 2022), as a tokenizer has them.</summary>
internal sealed record BlankTokens
{
    private const string MaskName = "[MASK]", SentenceName = "[sMASK]", DocumentName = "[gMASK]", StartName = "<|startofpiece|>", EndName = "<|endofpiece|>",
        ClsName = "[CLS]", EosName = "<|endoftext|>";

    /// <summary>[MASK]: some tokens.</summary>
    public required int Mask { get; init; }

    /// <summary>[sMASK]: whole sentences.</summary>
    public required int SentenceMask { get; init; }

    /// <summary>[gMASK]: the rest of a text.</summary>
    public required int DocumentMask { get; init; }

    /// <summary>What a piece begins with (sop).</summary>
    public required int Start { get; init; }

    /// <summary>What stands behind a piece (eop).</summary>
    public required int End { get; init; }

    /// <summary>[CLS]: what a text begins with.</summary>
    public required int Cls { get; init; }

    /// <summary>What stands behind a text.</summary>
    public required int EndOfText { get; init; }

    /// <summary>[SEP], between texts; the end of a text where there is none.</summary>
    public required int Sep { get; init; }

    /// <summary>What fills rows up; the end of a text where there is none.</summary>
    public required int Pad { get; init; }

    /// <summary>All that stand for a blank.</summary>
    public IReadOnlyList<int> Masks => [Mask, SentenceMask, DocumentMask];

    /// <summary>Reads the roles from a tokenizer's added tokens.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="source">Where it comes from, for the error.</param>
    /// <exception cref="NotSupportedException">It lacks some; the message names them.</exception>
    public static BlankTokens Of(TextTokenizer tokenizer, string source = "The tokenizer")
    {
        IReadOnlyList<string> missing = MissingIn(tokenizer);
        if (missing.Count > 0)
        {
            throw new NotSupportedException(
                $"{source} has no {string.Join(", ", missing)} among its added tokens: a model that fills blanks (GLM) needs a tokenizer with {string.Join(", ", MaskName, SentenceName, DocumentName, StartName, EndName, ClsName)} and an end of texts.");
        }
        int end = EndOf(tokenizer)!.Value;
        return new BlankTokens
        {
            Mask = IdOf(tokenizer, MaskName)!.Value,
            SentenceMask = IdOf(tokenizer, SentenceName)!.Value,
            DocumentMask = IdOf(tokenizer, DocumentName)!.Value,
            Start = IdOf(tokenizer, StartName)!.Value,
            End = IdOf(tokenizer, EndName)!.Value,
            Cls = IdOf(tokenizer, ClsName)!.Value,
            EndOfText = end,
            Sep = tokenizer.SepId ?? end,
            Pad = tokenizer.PadId ?? end,
        };
    }

    /// <summary>What stands around a text: of GLM's tokenizers no file says it but the class that it names. A file that does say it is right.</summary>
    /// <param name="tokenizer">The tokenizer, with its tokens and their roles.</param>
    /// <param name="template">What its files say.</param>
    /// <param name="name">The class.</param>
    public static Template TemplateOf(TextTokenizer tokenizer, Template template, string name)
    {
        bool saysNothing = name.StartsWith("GLM", StringComparison.Ordinal) || template.Single.All(part => part.IsText);
        return saysNothing && MissingIn(tokenizer).Count == 0
            ? Template.Around(IdOf(tokenizer, ClsName)!.Value, EndOf(tokenizer)!.Value, separators: 1, secondType: 0)
            : template;
    }

    /// <summary>The texts of the tokens that a tokenizer lacks, for whoever adds them.</summary>
    public static IReadOnlyList<string> MissingIn(TextTokenizer tokenizer)
    {
        string[] named = [MaskName, SentenceName, DocumentName, StartName, EndName, ClsName];
        return [.. named.Where(name => IdOf(tokenizer, name) is null), .. EndOf(tokenizer) is null ? [EosName] : Array.Empty<string>()];
    }

    // One that is not matched in texts is of no use in them.
    private static int? IdOf(TextTokenizer tokenizer, string name) =>
        tokenizer.AddedTokens.FirstOrDefault(token => token.Content == name && token.Matched)?.Id;

    // WordPiece vocabularies have [SEP] in its place.
    private static int? EndOf(TextTokenizer tokenizer) => tokenizer.EosId ?? IdOf(tokenizer, EosName) ?? tokenizer.SepId;
}
