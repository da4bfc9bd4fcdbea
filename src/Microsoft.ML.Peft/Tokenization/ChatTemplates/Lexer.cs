using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public bool IsOperator(string text) => Kind == TokenKind.Operator && Text == text;

    public override string ToString() => Kind switch
    {
        TokenKind.End => "the end of the template",
        TokenKind.BlockEnd => "'%}'",
        TokenKind.VariableEnd => "'}}'",
        TokenKind.Data or TokenKind.VariableBegin or TokenKind.BlockBegin => "text",
        _ => $"'{Text}'",
    };
}

/// <summary>
/// Cuts a template into text and the tokens of its tags, with <c>trim_blocks</c> and <c>lstrip_blocks</c> on as transformers
/// sets them: a newline right after a block goes, and so do blanks between a line's start and a block.
/// </summary>
internal sealed partial class Lexer
{
    private const int MaxLength = 1 << 20;

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _counted;
    private int _line = 1;
    private bool _lineStarts = true;

    private Lexer(string source) => _source = source;

    public static List<Token> Read(string template)
    {
        if (template.Length > MaxLength)
        {
            throw new ChatTemplateException($"the chat template has {template.Length} characters; expected {MaxLength} at most");
        }
        string source = StringLiteral.NormalizeNewlines(template);
        Lexer lexer = new(source.EndsWith('\n') ? source[..^1] : source);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        while (FindTag() is var tag and >= 0)
        {
            int inside = tag + 2;
            char sign = inside < _source.Length && _source[inside] is '-' or '+' ? _source[inside++] : '\0';
            char kind = _source[tag + 1];
            AddData(tag, sign, kind);
            _position = inside;
            switch (kind)
            {
                case '#':
                    SkipComment();
                    break;
                case '%' when RawBegin().Match(_source, inside) is { Success: true } raw:
                    ReadRaw(raw);
                    break;
                default:
                    ReadTag(kind == '%');
                    break;
            }
        }
        AddData(_source.Length, '\0', '{');
        Add(TokenKind.End, "", _source.Length);
    }

    private int FindTag()
    {
        for (int at = _source.IndexOf('{', _position); at >= 0 && at + 1 < _source.Length; at = _source.IndexOf('{', at + 1))
        {
            if (_source[at + 1] is '{' or '%' or '#')
            {
                return at;
            }
        }
        return -1;
    }

    /// <summary>The text before a tag, less the blanks that the tag eats.</summary>
    private void AddData(int end, char sign, char kind)
    {
        int start = _position;
        int last = end;
        if (sign == '-')
        {
            while (last > start && Characters32.IsSpace(_source[last - 1]))
            {
                last--;
            }
        }
        else if (sign != '+' && kind != '{')
        {
            int lineStart = end > start ? _source.LastIndexOf('\n', end - 1, end - start) + 1 : 0;
            bool starts = lineStart > 0 || _lineStarts;
            lineStart = Math.Max(lineStart, start);
            last = starts && _source.AsSpan(lineStart, end - lineStart).TrimStart(Characters32.Spaces).IsEmpty ? lineStart : end;
        }
        if (last > start)
        {
            Add(TokenKind.Data, _source[start..last], start);
        }
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("a comment without its end; expected '#}'", _position);
        }
        char sign = end > _position ? _source[end - 1] : '\0';
        EndTag(end + 2, sign, trims: true);
    }

    private void ReadRaw(Match begin)
    {
        int start = begin.Index + begin.Length;
        Match end = RawEnd().Match(_source, start);
        if (!end.Success)
        {
            throw Error("a raw block without its end; expected '{% endraw %}'", begin.Index);
        }
        _position = start;
        _lineStarts = begin.Value.EndsWith('\n');
        AddData(end.Index, end.Groups[1].Value is [char sign] ? sign : '\0', '%');
        _position = end.Index + end.Length;
        _lineStarts = end.Value.EndsWith('\n');
    }

    private void ReadTag(bool block)
    {
        Add(block ? TokenKind.BlockBegin : TokenKind.VariableBegin, "", _position);
        Stack<char> open = new();
        while (true)
        {
            while (_position < _source.Length && Characters32.IsSpace(_source[_position]))
            {
                _position++;
            }
            if (_position == _source.Length)
            {
                throw Error($"a tag without its end; expected {(open.Count > 0 ? $"'{open.Peek()}'" : block ? "'%}'" : "'}}'")}", _position);
            }
            if (open.Count == 0 && TryEndTag(block))
            {
                return;
            }
            ReadToken(open);
        }
    }

    private bool TryEndTag(bool block)
    {
        int at = _position;
        char sign = _source[at] == '-' || block && _source[at] == '+' ? _source[at++] : '\0';
        if (string.CompareOrdinal(_source, at, block ? "%}" : "}}", 0, 2) != 0)
        {
            return false;
        }
        Add(block ? TokenKind.BlockEnd : TokenKind.VariableEnd, "", _position);
        EndTag(at + 2, sign, trims: block);
        return true;
    }

    private void EndTag(int end, char sign, bool trims)
    {
        _position = end;
        if (sign == '-')
        {
            while (_position < _source.Length && Characters32.IsSpace(_source[_position]))
            {
                _position++;
            }
        }
        else if (trims && sign != '+' && _position < _source.Length && _source[_position] == '\n')
        {
            _position++;
        }
        _lineStarts = _source[_position - 1] == '\n';
    }

    private void ReadToken(Stack<char> open)
    {
        foreach ((TokenKind kind, Regex pattern) in Patterns)
        {
            if (pattern.Match(_source, _position) is { Success: true } match)
            {
                Add(kind, kind == TokenKind.Text ? StringLiteral.Unescape(match.Value[1..^1], _line) : match.Value, _position);
                if (kind == TokenKind.Operator)
                {
                    Balance(open, match.Value[0]);
                }
                _position += match.Length;
                return;
            }
        }
        throw Error($"unexpected character '{_source[_position]}'", _position);
    }

    private void Balance(Stack<char> open, char bracket)
    {
        if ("([{".IndexOf(bracket) is >= 0 and var i)
        {
            open.Push(")]}"[i]);
        }
        else if (bracket is ')' or ']' or '}' && (!open.TryPop(out char expected) || expected != bracket))
        {
            throw Error($"unexpected '{bracket}'{(expected == '\0' ? "" : $"; expected '{expected}'")}", _position);
        }
    }

    private void Add(TokenKind kind, string text, int at) => _tokens.Add(new Token(kind, text, LineOf(at)));

    private ChatTemplateException Error(string reason, int at) => new(reason, LineOf(at));

    private int LineOf(int at)
    {
        for (; _counted < at; _counted++)
        {
            _line += _source[_counted] == '\n' ? 1 : 0;
        }
        return _line;
    }

    private static readonly (TokenKind Kind, Regex Pattern)[] Patterns =
    [
        (TokenKind.Float, FloatPattern()),
        (TokenKind.Integer, IntegerPattern()),
        (TokenKind.Name, NamePattern()),
        (TokenKind.Text, TextPattern()),
        (TokenKind.Operator, OperatorPattern()),
    ];

    [GeneratedRegex(@"\G\s*raw\s*(?:-%\}\s*|%\})")]
    private static partial Regex RawBegin();

    [GeneratedRegex(@"\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)")]
    private static partial Regex RawEnd();

    [GeneratedRegex(@"\G(?<!\.)(?:[0-9]+_)*[0-9]+(?:(?:\.(?:[0-9]+_)*[0-9]+)?[eE][+-]?(?:[0-9]+_)*[0-9]+|\.(?:[0-9]+_)*[0-9]+)")]
    private static partial Regex FloatPattern();

    [GeneratedRegex(@"\G(?:0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?[0-9])*|0(?:_?0)*)")]
    private static partial Regex IntegerPattern();

    [GeneratedRegex(@"\G[\p{L}\p{Nl}_][\w]*")]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"\G(?:'[^'\\]*(?:\\.[^'\\]*)*'|""[^""\\]*(?:\\.[^""\\]*)*"")", RegexOptions.Singleline)]
    private static partial Regex TextPattern();

    [GeneratedRegex(@"\G(?://|\*\*|==|!=|>=|<=|[-+/*%~\[\](){}<>=.:|,;])")]
    private static partial Regex OperatorPattern();
}
