using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Generation;

/// <summary>
/// The text of tokens as they come, at a cost that does not grow with the text: the pieces put together are what
/// <see cref="TextTokenizer.Decode"/> makes of all of them, and a piece that was given out never changes.
/// </summary>
/// <param name="tokenizer">Makes text of tokens.</param>
/// <param name="before">A token behind which the text stands; null where it begins anew.</param>
internal sealed class Detokenizer(TextTokenizer tokenizer, int? before = null)
{
    // The tokens of the last piece, since a decoder treats a first token in its own way, and after them those that wait.
    private List<int> _window = before is { } first ? [first] : [];
    private int _given = before is null ? 0 : 1;
    private string _context = before is { } known ? tokenizer.Decode([known]) : "";

    /// <summary>The text of the tokens that wait, as it would be if no other came.</summary>
    public string Pending { get; private set; } = "";

    /// <summary>The text of tokens as a stream gives it, all at once.</summary>
    public static string TextOf(IEnumerable<int> ids, TextTokenizer tokenizer, int? before)
    {
        var text = new Detokenizer(tokenizer, before);
        return string.Concat(ids.Select(text.Add)) + text.Finish();
    }

    /// <summary>Takes a token.</summary>
    /// <returns>The text that no later token can change.</returns>
    public string Add(int id)
    {
        if (tokenizer.IsSpecial(id))
            return "";
        _window.Add(id);
        string text = Decode();
        Pending = text.Length > _context.Length ? text[_context.Length..] : "";
        return Pending.Length == 0 || Pending[^1] == '\uFFFD' || tokenizer.IsByte(id) ? "" : Give();
    }

    /// <summary>No other token comes.</summary>
    /// <returns>The text that is left.</returns>
    public string Finish() => Give();

    public Detokenizer Clone() => new(tokenizer) { _window = [.. _window], _given = _given, _context = _context, Pending = Pending };

    private string Give()
    {
        string piece = Pending;
        _window.RemoveRange(0, _given);
        _given = _window.Count;
        _context = Decode();
        Pending = "";
        return piece;
    }

    private string Decode() => tokenizer.Decode(CollectionsMarshal.AsSpan(_window));
}
