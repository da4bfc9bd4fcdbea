using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Filters on texts; other values are turned into text first, as Jinja does.</summary>
internal static partial class TextFilters
{
    public static readonly Dictionary<string, Method<Value>> All = new()
    {
        ["upper"] = Map(TextMethods.Upper),
        ["lower"] = Map(TextMethods.Lower),
        ["capitalize"] = Map(TextMethods.Capitalize),
        ["title"] = Map(Title),
        ["trim"] = new("chars?", (value, a) => new TextValue(
            TextMethods.Strip(a.Rendering.Text(value), a.Text(0, Characters32.Spaces), left: true, right: true), (value as TextValue)?.Safe ?? false)),
        ["string"] = new("", (value, a) => value is TextValue ? value : new TextValue(a.Rendering.Text(value))),
        ["safe"] = new("", (value, a) => new TextValue(a.Rendering.Text(value), safe: true)),
        ["escape"] = Escape(),
        ["e"] = Escape(),
        ["replace"] = new("old new count?", (value, a) => new TextValue(TextMethods.Replace(
            a.Rendering.Text(value), a.Rendering.Text(a[0]!), a.Rendering.Text(a[1]!), a.Int(2, -1), a.Rendering))),
        ["format"] = new("*", (value, a) => new TextValue(PercentFormat.Apply(a.Rendering.Text(value), Values(a), a.Rendering))),
        ["indent"] = new("width? first? blank?", (value, a) => new TextValue(Indent(
            a.Rendering.Text(value), a[0] is TextValue text ? text.Content : TextMethods.Padded("", a.Int(0, 4), 0, ' ', a.Rendering), a.Flag(1), a.Flag(2), a.Rendering))),
        ["center"] = new("width?", (value, a) => Lookup.Attribute(new TextValue(a.Rendering.Text(value)), "center", a.Rendering)
            .Call(Arguments.Of(a.Rendering, a[0] ?? new IntValue(80)))),
        ["truncate"] = new("length? killwords? end? leeway?", (value, a) => new TextValue(
            Truncate(a.Rendering.Text(value), a.Int(0, 255), a.Flag(1), a.Text(2, "..."), a.Int(3, 5)))),
        ["wordcount"] = new("", (value, a) => new IntValue(Word().Count(a.Rendering.Text(value)))),
        ["urlencode"] = new("", (value, a) => new TextValue(UrlEncode(value, a.Rendering))),
        ["tojson"] = new("ensure_ascii? indent? separators? sort_keys?", ToJson),
    };

    private static Method<Value> Map(Func<string, string> map) =>
        new("", (value, a) => new TextValue(map(a.Rendering.Text(value)), (value as TextValue)?.Safe ?? false));

    private static Method<Value> Escape() => new("", (value, a) =>
        value is TextValue { Safe: true } ? value : new TextValue(TextValue.EscapeHtml(a.Rendering.Text(value)), safe: true));

    private static Value Values(BoundArguments a) => a.All.Named.Count > 0
        ? new DictValue(a.All.Named.Select(entry => KeyValuePair.Create<Value, Value>(new TextValue(entry.Key), entry.Value)))
        : new ListValue(a.All.Positional, ListKind.Tuple);

    private static string Title(string text)
    {
        StringBuilder title = new(text.Length);
        bool starts = true;
        foreach (char c in text)
        {
            title.Append(starts ? TextMethods.Upper(c.ToString()) : TextMethods.Lower(c.ToString()));
            starts = c is '-' or '(' or '{' or '[' or '<' || Characters32.IsSpace(c);
        }
        return title.ToString();
    }

    private static string Indent(string text, string indent, bool first, bool blank, Rendering rendering)
    {
        List<string> lines = TextSplitter.Lines(text + "\n", keepEnds: false);
        TextBuilder result = new(rendering);
        for (int i = 0; i < lines.Count; i++)
        {
            result.Append(i > 0 ? "\n" : "").Append(i == 0 ? first ? indent : "" : blank || lines[i].Length > 0 ? indent : "").Append(lines[i]);
        }
        return result.ToString();
    }

    private static string Truncate(string text, int length, bool killWords, string end, int leeway)
    {
        int endLength = Characters32.Length(end);
        if (length < endLength || leeway < 0)
        {
            throw new ChatTemplateException($"'truncate': expected a length of {endLength} at least and no negative leeway");
        }
        if (Characters32.Length(text) <= (long)length + leeway)
        {
            return text;
        }
        string cut = text[..Characters32.Offset(text, length - endLength)];
        int space = cut.LastIndexOf(' ');
        return (killWords || space < 0 ? cut : cut[..space]) + end;
    }

    private static string UrlEncode(Value value, Rendering rendering)
    {
        if (value is not DictValue dict)
        {
            return Uri.EscapeDataString(rendering.Text(value)).Replace("%2F", "/", StringComparison.Ordinal);
        }
        IEnumerable<string> pairs = dict.Entries.Select(entry => $"{Form(entry.Key)}={Form(entry.Value)}");
        return string.Join('&', pairs);
        string Form(Value part) => Uri.EscapeDataString(rendering.Text(part)).Replace("%20", "+", StringComparison.Ordinal);
    }

    private static TextValue ToJson(Value value, BoundArguments a)
    {
        string? indent = !a.IsGiven(1) ? null : a[1] is TextValue text ? text.Content : TextMethods.Padded("", a.Int(1), 0, ' ', a.Rendering);
        (string item, string key) = a.IsGiven(2) ? Separators(a[2]!, a.Rendering) : (indent is null ? ", " : ",", ": ");
        TextBuilder json = new(a.Rendering);
        new JsonWriter(json, a.Flag(0), indent, item, key, a.Flag(3)).Write(value);
        return new TextValue(json.ToString());
    }

    private static (string Item, string Key) Separators(Value pair, Rendering rendering) =>
        pair.Iterate(rendering) is [TextValue item, TextValue key] ? (item.Content, key.Content)
            : throw new ChatTemplateException("'tojson': separators: expected two strings");

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();
}
