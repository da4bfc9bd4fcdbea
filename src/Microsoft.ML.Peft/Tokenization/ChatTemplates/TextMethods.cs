using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>The methods of Python's str.</summary>
internal static class TextMethods
{
    public static readonly Dictionary<string, Method<TextValue>> All = new()
    {
        ["upper"] = Map(Upper),
        ["lower"] = Map(Lower),
        ["casefold"] = Map(text => Lower(text).Replace("ß", "ss", StringComparison.Ordinal)),
        ["title"] = Map(Title),
        ["capitalize"] = Map(Capitalize),
        ["swapcase"] = Map(text => string.Concat(text.Select(c => char.IsUpper(c) ? Lower(c.ToString()) : Upper(c.ToString())))),
        ["strip"] = new("chars?", (text, a) => Text(Strip(text.Content, Blank(a), left: true, right: true))),
        ["lstrip"] = new("chars?", (text, a) => Text(Strip(text.Content, Blank(a), left: true, right: false))),
        ["rstrip"] = new("chars?", (text, a) => Text(Strip(text.Content, Blank(a), left: false, right: true))),
        ["removeprefix"] = new("prefix", (text, a) => Text(text.Content.StartsWith(a.Text(0), StringComparison.Ordinal) ? text.Content[a.Text(0).Length..] : text.Content)),
        ["removesuffix"] = new("suffix", (text, a) => Text(text.Content.EndsWith(a.Text(0), StringComparison.Ordinal) ? text.Content[..^a.Text(0).Length] : text.Content)),
        ["startswith"] = Affix((text, affix) => text.StartsWith(affix, StringComparison.Ordinal)),
        ["endswith"] = Affix((text, affix) => text.EndsWith(affix, StringComparison.Ordinal)),
        ["replace"] = new("old new count?", (text, a) => Text(Replace(text.Content, a.Text(0), a.Text(1), a.Int(2, -1), a.Rendering))),
        ["split"] = new("sep? maxsplit?", (text, a) => Texts(TextSplitter.Split(text.Content, a.Text(0, ""), a.IsGiven(0), a.Int(1, -1)))),
        ["rsplit"] = new("sep? maxsplit?", (text, a) => Texts(TextSplitter.SplitRight(text.Content, a.Text(0, ""), a.IsGiven(0), a.Int(1, -1)))),
        ["splitlines"] = new("keepends?", (text, a) => Texts(TextSplitter.Lines(text.Content, a.Flag(0)))),
        ["partition"] = new("sep", (text, a) => TextSplitter.Partition(text.Content, a.Text(0), fromEnd: false)),
        ["rpartition"] = new("sep", (text, a) => TextSplitter.Partition(text.Content, a.Text(0), fromEnd: true)),
        ["join"] = new("iterable", (text, a) => Text(Join(text.Content, a[0]!.Iterate(a.Rendering), a.Rendering))),
        ["find"] = new("sub start? end?", (text, a) => new IntValue(Find(text.Content, a, fromEnd: false))),
        ["rfind"] = new("sub start? end?", (text, a) => new IntValue(Find(text.Content, a, fromEnd: true))),
        ["index"] = new("sub start? end?", (text, a) => new IntValue(Found(Find(text.Content, a, fromEnd: false)))),
        ["rindex"] = new("sub start? end?", (text, a) => new IntValue(Found(Find(text.Content, a, fromEnd: true)))),
        ["count"] = new("sub", (text, a) => new IntValue(Count(text.Content, a.Text(0)))),
        ["center"] = Pad((missing, width) => missing / 2 + (missing & width & 1)),
        ["ljust"] = Pad((_, _) => 0),
        ["rjust"] = Pad((missing, _) => missing),
        ["zfill"] = new("width", (text, a) => Text(ZeroFill(text.Content, a.Int(0), a.Rendering))),
        ["expandtabs"] = new("tabsize?", (text, a) => Text(ExpandTabs(text.Content, a.Int(0, 8), a.Rendering))),
        ["format"] = new("*", (text, a) => Text(BraceFormat.Apply(text.Content, a.All))),
        ["isspace"] = All_(char.IsWhiteSpace, orSpace: true),
        ["isalpha"] = All_(char.IsLetter),
        ["isdigit"] = All_(char.IsDigit),
        ["isdecimal"] = All_(char.IsDigit),
        ["isnumeric"] = All_(char.IsNumber),
        ["isalnum"] = All_(char.IsLetterOrDigit),
        ["isascii"] = Is(text => text.All(char.IsAscii)),
        ["isupper"] = Is(IsUpper),
        ["islower"] = Is(IsLower),
        ["istitle"] = Is(text => text.Any(char.IsLetter) && text == Title(text)),
    };

    public static string Upper(string text) => text.ToUpperInvariant().Replace("ß", "SS", StringComparison.Ordinal);

    public static string Lower(string text) => text.ToLowerInvariant();

    public static bool IsUpper(string text) => text.Any(char.IsUpper) && !text.Any(char.IsLower);

    public static bool IsLower(string text) => text.Any(char.IsLower) && !text.Any(char.IsUpper);

    public static string Capitalize(string text)
    {
        int first = Characters32.Offset(text, 1);
        return Upper(text[..first]) + Lower(text[first..]);
    }

    public static string Strip(string text, string characters, bool left, bool right)
    {
        char[] set = characters.ToCharArray();
        text = left ? text.TrimStart(set) : text;
        return right ? text.TrimEnd(set) : text;
    }

    public static string Replace(string text, string old, string replacement, int count, Rendering rendering)
    {
        TextBuilder result = new(rendering);
        int at = 0;
        int next = 0;
        for (; count != 0 && next <= text.Length; count--)
        {
            int found = text.IndexOf(old, next, StringComparison.Ordinal);
            if (found < 0)
            {
                break;
            }
            result.Append(text.AsSpan(at, found - at)).Append(replacement);
            at = found + old.Length;
            next = old.Length > 0 ? at : found + 1;
        }
        return result.Append(text.AsSpan(at)).ToString();
    }

    public static string Join(string separator, IReadOnlyList<Value> items, Rendering rendering)
    {
        TextBuilder joined = new(rendering);
        for (int i = 0; i < items.Count; i++)
        {
            joined.Append(i > 0 ? separator : "").Append((items[i] as TextValue)?.Content
                ?? throw new ChatTemplateException($"sequence item {i}: expected str instance, {items[i].Type} found"));
        }
        return joined.ToString();
    }

    public static string Padded(string text, int left, int right, char fill, Rendering rendering)
    {
        rendering.PayText((long)text.Length + Math.Max(left, 0) + Math.Max(right, 0));
        return new string(fill, Math.Max(left, 0)) + text + new string(fill, Math.Max(right, 0));
    }

    public static int Count(string text, string part)
    {
        if (part.Length == 0)
        {
            return Characters32.Length(text) + 1;
        }
        int count = 0;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }
        return count;
    }

    private static string Title(string text)
    {
        StringBuilder title = new(text.Length);
        bool inside = false;
        foreach (char c in text)
        {
            title.Append(inside ? Lower(c.ToString()) : Upper(c.ToString()));
            inside = char.IsLetter(c);
        }
        return title.ToString();
    }

    private static string Blank(BoundArguments arguments) => arguments.Text(0, Characters32.Spaces);

    private static TextValue Text(string text) => new(text);

    private static ListValue Texts(IEnumerable<string> texts) => new([.. texts.Select(Text)]);

    private static Method<TextValue> Map(Func<string, string> map) => new("", (text, _) => new TextValue(map(text.Content), text.Safe));

    private static Method<TextValue> Is(Predicate<string> test) => new("", (text, _) => BoolValue.Of(test(text.Content)));

    private static Method<TextValue> All_(Func<char, bool> test, bool orSpace = false) =>
        Is(text => text.Length > 0 && text.All(c => test(c) || orSpace && Characters32.IsSpace(c)));

    private static Method<TextValue> Affix(Func<string, string, bool> test) => new("affix start?", (text, a) =>
    {
        string from = a.IsGiven(1) ? Characters32.Pick(text.Content, SliceRange.Of(a.Int(1), null, null, Characters32.Length(text.Content))) : text.Content;
        return BoolValue.Of(a[0] is ListValue { Kind: ListKind.Tuple } several
            ? several.Elements().Any(affix => affix is TextValue one && test(from, one.Content))
            : test(from, a.Text(0)));
    });

    private static Method<TextValue> Pad(Func<int, int, int> left) => new("width fillchar?", (text, a) =>
    {
        int missing = Math.Max(0, a.Int(0) - Characters32.Length(text.Content));
        char fill = a.Text(1, " ") is [char single] ? single : throw new ChatTemplateException("the fill character must be exactly one character long");
        int before = left(missing, a.Int(0));
        return Text(Padded(text.Content, before, missing - before, fill, a.Rendering));
    });

    private static string ZeroFill(string text, int width, Rendering rendering)
    {
        string sign = text is ['+' or '-', ..] ? text[..1] : "";
        return sign + Padded(text[sign.Length..], width - Characters32.Length(text), 0, '0', rendering);
    }

    private static string ExpandTabs(string text, int size, Rendering rendering)
    {
        TextBuilder expanded = new(rendering);
        int column = 0;
        foreach (char c in text)
        {
            int width = c == '\t' ? size > 0 ? size - column % size : 0 : 1;
            expanded.Append(c == '\t' ? Padded("", width, 0, ' ', rendering) : c.ToString());
            column = c is '\n' or '\r' ? 0 : column + width;
        }
        return expanded.ToString();
    }

    private static int Find(string text, BoundArguments a, bool fromEnd)
    {
        SliceRange range = SliceRange.Of(a.IsGiven(1) ? a.Int(1) : null, a.IsGiven(2) ? a.Int(2) : null, null, Characters32.Length(text));
        string within = Characters32.Pick(text, range);
        int at = fromEnd ? within.LastIndexOf(a.Text(0), StringComparison.Ordinal) : within.IndexOf(a.Text(0), StringComparison.Ordinal);
        return at < 0 ? -1 : range.Start + Characters32.Length(within[..at]);
    }

    private static int Found(int index) => index >= 0 ? index : throw new ChatTemplateException("substring not found");
}
