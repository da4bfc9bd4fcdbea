using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Reads expressions; one method a level of precedence, from the loosest to the tightest.</summary>
internal sealed class ExpressionParser(TokenReader tokens)
{
    private HashSet<string> _names = [];

    /// <summary>Starts to collect the names used; gives those collected around.</summary>
    public HashSet<string> BeginNames()
    {
        HashSet<string> outer = _names;
        _names = [];
        return outer;
    }

    /// <summary>The names used since; they count for what is around, too.</summary>
    public HashSet<string> EndNames(HashSet<string> outer)
    {
        HashSet<string> inner = _names;
        _names = [.. outer, .. inner];
        return inner;
    }

    /// <summary>One expression, or several with commas between them as a tuple.</summary>
    public Expression ReadTuple(bool conditional = true, string? end = null)
    {
        int line = tokens.Current.Line;
        Expression first = Read(conditional);
        if (!tokens.Current.IsOperator(","))
        {
            return first;
        }
        List<Expression> items = [first];
        while (tokens.SkipOperator(",") && !EndsTuple(end))
        {
            items.Add(Read(conditional));
        }
        return new ListExpression(line, items, ListKind.Tuple);
    }

    public Expression Read(bool conditional = true)
    {
        using TokenReader.Level level = tokens.Nest();
        Expression expression = ReadOr();
        while (conditional && tokens.Current.IsName("if"))
        {
            int line = tokens.Next().Line;
            Expression test = ReadOr();
            expression = new ConditionalExpression(line, test, expression, tokens.SkipName("else") ? Read() : null);
        }
        return expression;
    }

    public Expression ReadFilters(Expression operand, bool inline = false)
    {
        while (inline || tokens.Current.IsOperator("|"))
        {
            int line = inline ? tokens.Current.Line : tokens.Next().Line;
            inline = false;
            string name = ReadDottedName("the name of a filter");
            operand = new FilterExpression(line, operand, name, tokens.Current.IsOperator("(") ? ReadArguments() : ArgumentList.Empty);
        }
        return operand;
    }

    private bool EndsTuple(string? end) => tokens.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd
        || tokens.Current.IsOperator(")") || end is not null && tokens.Current.IsName(end);

    private Expression ReadOr()
    {
        Expression left = ReadAnd();
        while (tokens.Current.IsName("or"))
        {
            int line = tokens.Next().Line;
            left = new LogicExpression(line, isOr: true, left, ReadAnd());
        }
        return left;
    }

    private Expression ReadAnd()
    {
        Expression left = ReadNot();
        while (tokens.Current.IsName("and"))
        {
            int line = tokens.Next().Line;
            left = new LogicExpression(line, isOr: false, left, ReadNot());
        }
        return left;
    }

    private Expression ReadNot()
    {
        using TokenReader.Level level = tokens.Nest();
        int line = tokens.Current.Line;
        return tokens.SkipName("not") ? new NotExpression(line, ReadNot()) : ReadComparison();
    }

    private Expression ReadComparison()
    {
        int line = tokens.Current.Line;
        Expression first = ReadBinary(0);
        List<(string, Expression)> rest = [];
        while (ReadComparisonSign() is { } sign)
        {
            rest.Add((sign, ReadBinary(0)));
        }
        return rest.Count == 0 ? first : new CompareExpression(line, first, rest);
    }

    private string? ReadComparisonSign()
    {
        Token token = tokens.Current;
        bool not = token.IsName("not") && tokens.Following.IsName("in");
        if (!not && !token.IsName("in") && !(token.Kind == TokenKind.Operator && Operators.Comparisons.ContainsKey(token.Text)))
        {
            return null;
        }
        tokens.Next();
        if (not)
        {
            tokens.Next();
        }
        return not ? "not in" : token.Text;
    }

    private static readonly string[][] Levels = [["+", "-"], ["~"], ["*", "/", "//", "%"], ["**"]];

    private Expression ReadBinary(int level)
    {
        if (level == Levels.Length)
        {
            return ReadUnary(filters: true);
        }
        Expression left = ReadBinary(level + 1);
        while (tokens.Current.Kind == TokenKind.Operator && Levels[level].Contains(tokens.Current.Text))
        {
            Token sign = tokens.Next();
            left = new BinaryExpression(sign.Line, sign.Text, left, ReadBinary(level + 1));
        }
        return left;
    }

    private Expression ReadUnary(bool filters)
    {
        using TokenReader.Level level = tokens.Nest();
        int line = tokens.Current.Line;
        Expression expression = tokens.SkipOperator("-") ? new UnaryExpression(line, Operators.Negate, ReadUnary(filters: false))
            : tokens.SkipOperator("+") ? new UnaryExpression(line, Operators.Plus, ReadUnary(filters: false))
            : ReadPrimary();
        expression = ReadPostfix(expression);
        return filters ? ReadFiltersAndTests(expression) : expression;
    }

    private Expression ReadPrimary()
    {
        Token token = tokens.Next();
        return token.Kind switch
        {
            TokenKind.Name => ReadName(token),
            TokenKind.Text => ReadText(token),
            TokenKind.Integer => new ConstantExpression(token.Line, new IntValue(Integer(token.Text))),
            TokenKind.Float => new ConstantExpression(token.Line, new FloatValue(
                double.Parse(token.Text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture))),
            _ when token.IsOperator("(") => ReadParentheses(token.Line),
            _ when token.IsOperator("[") => new ListExpression(token.Line, ReadAll("]", () => Read()), ListKind.List),
            _ when token.IsOperator("{") => new DictExpression(token.Line, ReadAll("}", ReadEntry)),
            _ => throw new ChatTemplateException($"expected an expression, found {token}", token.Line),
        };
    }

    private Expression ReadName(Token token)
    {
        _names.Add(token.Text);
        return token.Text switch
        {
            "true" or "True" => new ConstantExpression(token.Line, BoolValue.True),
            "false" or "False" => new ConstantExpression(token.Line, BoolValue.False),
            "none" or "None" => new ConstantExpression(token.Line, NoneValue.Instance),
            _ => new NameExpression(token.Line, token.Text),
        };
    }

    private ConstantExpression ReadText(Token first)
    {
        string text = first.Text;
        while (tokens.Current.Kind == TokenKind.Text)
        {
            text += tokens.Next().Text;
        }
        return new ConstantExpression(first.Line, new TextValue(text));
    }

    private Expression ReadParentheses(int line)
    {
        if (tokens.SkipOperator(")"))
        {
            return new ListExpression(line, [], ListKind.Tuple);
        }
        Expression inner = ReadTuple();
        tokens.ExpectOperator(")");
        return inner;
    }

    private List<T> ReadAll<T>(string end, Func<T> read)
    {
        List<T> items = [];
        while (!tokens.SkipOperator(end))
        {
            if (items.Count > 0)
            {
                tokens.ExpectOperator(",");
                if (tokens.SkipOperator(end))
                {
                    break;
                }
            }
            items.Add(read());
        }
        return items;
    }

    private (Expression Key, Expression Value) ReadEntry()
    {
        Expression key = Read();
        tokens.ExpectOperator(":");
        return (key, Read());
    }

    private Expression ReadPostfix(Expression expression)
    {
        while (true)
        {
            Token token = tokens.Current;
            if (tokens.SkipOperator("."))
            {
                expression = ReadAttribute(expression, token.Line);
            }
            else if (tokens.SkipOperator("["))
            {
                expression = ReadSubscript(expression, token.Line);
            }
            else if (token.IsOperator("("))
            {
                expression = new CallExpression(token.Line, expression, ReadArguments());
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression ReadAttribute(Expression of, int line) => tokens.Current.Kind == TokenKind.Integer
        ? new ItemExpression(line, of, new ConstantExpression(line, new IntValue(Integer(tokens.Next().Text))))
        : new AttributeExpression(line, of, tokens.Expect(TokenKind.Name, "a name or number").Text);

    private Expression ReadSubscript(Expression of, int line)
    {
        Expression? start = tokens.Current.IsOperator(":") ? null : ReadTuple();
        if (!tokens.SkipOperator(":"))
        {
            tokens.ExpectOperator("]");
            return new ItemExpression(line, of, start ?? throw tokens.Unexpected("an expression"));
        }
        Expression? stop = SliceEnds() ? null : Read();
        Expression? step = tokens.SkipOperator(":") && !SliceEnds() ? Read() : null;
        tokens.ExpectOperator("]");
        return new SliceExpression(line, of, start, stop, step);
    }

    private bool SliceEnds() => tokens.Current.IsOperator(":") || tokens.Current.IsOperator("]");

    private Expression ReadFiltersAndTests(Expression expression)
    {
        while (true)
        {
            Token token = tokens.Current;
            if (token.IsOperator("|"))
            {
                expression = ReadFilters(expression);
            }
            else if (token.IsName("is"))
            {
                expression = ReadTest(expression);
            }
            else if (token.IsOperator("("))
            {
                expression = new CallExpression(token.Line, expression, ReadArguments());
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression ReadTest(Expression operand)
    {
        int line = tokens.Next().Line;
        bool not = tokens.SkipName("not");
        string name = ReadDottedName("the name of a test");
        ArgumentList arguments = tokens.Current.IsOperator("(") ? ReadArguments()
            : StartsArgument() ? ArgumentList.Empty with { Positional = [ReadPostfix(ReadPrimary())] }
            : ArgumentList.Empty;
        Expression test = new TestExpression(line, operand, name, arguments);
        return not ? new NotExpression(line, test) : test;
    }

    private bool StartsArgument()
    {
        Token token = tokens.Current;
        if (token.IsName("is"))
        {
            throw new ChatTemplateException("tests cannot be chained with 'is'", token.Line);
        }
        return token.Kind is TokenKind.Text or TokenKind.Integer or TokenKind.Float
            || token.Kind == TokenKind.Name && token.Text is not ("else" or "or" or "and")
            || token.IsOperator("[") || token.IsOperator("{");
    }

    private string ReadDottedName(string expected)
    {
        string name = tokens.Expect(TokenKind.Name, expected).Text;
        while (tokens.SkipOperator("."))
        {
            name += "." + tokens.Expect(TokenKind.Name, expected).Text;
        }
        return name;
    }

    private ArgumentList ReadArguments()
    {
        Token open = tokens.Next();
        List<Expression> positional = [];
        List<KeyValuePair<string, Expression>> named = [];
        Expression? several = null;
        Expression? severalNamed = null;
        ReadAll(")", () =>
        {
            if (severalNamed is null && tokens.SkipOperator("**"))
            {
                severalNamed = Read();
            }
            else if (several is null && severalNamed is null && tokens.SkipOperator("*"))
            {
                several = Read();
            }
            else if (severalNamed is null && tokens.Current.Kind == TokenKind.Name && tokens.Following.IsOperator("="))
            {
                string name = tokens.Next().Text;
                tokens.Next();
                named.Add(new(name, Read()));
            }
            else if (named.Count == 0 && several is null && severalNamed is null)
            {
                positional.Add(Read());
            }
            else
            {
                throw new ChatTemplateException("expected plain arguments first, then those by name, '*' and '**' last", open.Line);
            }
            return 0;
        });
        return new ArgumentList(positional, named, several, severalNamed);
    }

    private static BigInteger Integer(string text)
    {
        int numberBase = text.Length < 2 ? 10 : char.ToUpperInvariant(text[1]) switch { 'B' => 2, 'O' => 8, 'X' => 16, _ => 10 };
        return PythonNumber.ParseWhole(text, numberBase) ?? throw new ChatTemplateException("a number of too many digits");
    }
}
