using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Generation;

/// <summary>A row's text as it may go out: nothing that could still change, nothing that may be the beginning of a stop string, none of a stop string.</summary>
/// <param name="tokenizer">Makes text of tokens.</param>
/// <param name="stopStrings">What ends it.</param>
/// <param name="before">A token behind which the text stands; null where it begins anew.</param>
internal sealed class TextStream(TextTokenizer tokenizer, IReadOnlyList<string> stopStrings, int? before = null)
{
    private Detokenizer _text = new(tokenizer, before);
    private string _held = "";

    /// <summary>A stop string stands in the text.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Takes a token.</summary>
    /// <returns>The text that may go out.</returns>
    public string Add(int id)
    {
        _held += _text.Add(id);
        string seen = _held + _text.Pending;
        int end = FirstStop(seen);
        Stopped = end >= 0;
        return Stopped ? seen[..end] : Take(_held.Length - LongestOpening(_held));
    }

    /// <summary>No other token comes.</summary>
    /// <returns>The text that is left.</returns>
    public string Finish() => Stopped ? "" : Take(_held.Length) + _text.Finish();

    public TextStream Clone() => new(tokenizer, stopStrings) { _text = _text.Clone(), _held = _held, Stopped = Stopped };

    /// <summary>Where the first of the stop strings begins; -1 if none is there.</summary>
    public static int FirstStop(string text, IReadOnlyList<string> stopStrings)
    {
        int[] places = [.. stopStrings.Select(stop => text.IndexOf(stop, StringComparison.Ordinal)).Where(place => place >= 0)];
        return places.Length == 0 ? -1 : places.Min();
    }

    private int FirstStop(string text) => FirstStop(text, stopStrings);

    // How much of the text's end is the beginning of a stop string.
    private int LongestOpening(string text) => stopStrings.Select(stop =>
    {
        int length = Math.Min(text.Length, stop.Length - 1);
        while (length > 0 && !text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
            length--;
        return length;
    }).DefaultIfEmpty(0).Max();

    private string Take(int length)
    {
        string taken = _held[..length];
        _held = _held[length..];
        return taken;
    }
}
