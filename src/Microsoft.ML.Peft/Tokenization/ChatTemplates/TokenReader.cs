namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>A place in the tokens, with the checks that parsers make.</summary>
internal sealed class TokenReader(IReadOnlyList<Token> tokens)
{
    /// <summary>How deeply expressions and blocks may nest.</summary>
    public const int MaxDepth = 200;

    private int _position;
    private int _depth;

    public Token Current => tokens[_position];

    public Token Following => tokens[Math.Min(_position + 1, tokens.Count - 1)];

    public Token Next()
    {
        Token token = Current;
        _position = Math.Min(_position + 1, tokens.Count - 1);
        return token;
    }

    public Token Expect(TokenKind kind, string expected) => Current.Kind == kind ? Next() : throw Unexpected(expected);

    public void ExpectOperator(string text)
    {
        if (!SkipOperator(text))
        {
            throw Unexpected($"'{text}'");
        }
    }

    public void ExpectName(string name)
    {
        if (!SkipName(name))
        {
            throw Unexpected($"'{name}'");
        }
    }

    public bool SkipOperator(string text) => Skip(Current.IsOperator(text));

    public bool SkipName(string name) => Skip(Current.IsName(name));

    public ChatTemplateException Unexpected(string expected) => new($"expected {expected}, found {Current}", Current.Line);

    /// <summary>Goes one level deeper until the answer is disposed.</summary>
    public Level Nest() => ++_depth <= MaxDepth
        ? new Level(this)
        : throw new ChatTemplateException($"expressions and blocks nest more than {MaxDepth} deep", Current.Line);

    private bool Skip(bool found)
    {
        if (found)
        {
            Next();
        }
        return found;
    }

    public readonly struct Level(TokenReader reader) : IDisposable
    {
        public void Dispose() => reader._depth--;
    }
}
