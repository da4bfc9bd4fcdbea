namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Reads statements; expressions are read by <see cref="ExpressionParser"/>.</summary>
internal sealed class Parser
{
    private readonly TokenReader _tokens;
    private readonly ExpressionParser _expressions;
    private readonly Dictionary<string, Func<int, Statement>> _tags;

    private Parser(TokenReader tokens)
    {
        _tokens = tokens;
        _expressions = new ExpressionParser(tokens);
        _tags = new()
        {
            ["for"] = ReadFor,
            ["if"] = ReadIf,
            ["set"] = ReadSet,
            ["macro"] = ReadMacro,
            ["call"] = ReadCall,
            ["filter"] = ReadFilter,
            ["with"] = ReadWith,
            ["generation"] = line => new GenerationStatement(line, ReadBody("endgeneration")),
            ["break"] = line => new LeaveStatement(line, Inside(Flow.Break)),
            ["continue"] = line => new LeaveStatement(line, Inside(Flow.Continue)),
        };
    }

    private int _loops;

    public static Block Parse(string template)
    {
        TokenReader tokens = new(Lexer.Read(template));
        return new Parser(tokens).ReadUntil([]);
    }

    /// <summary>Statements up to one of the tags named, or to the end of the template where none is.</summary>
    private Block ReadUntil(string[] ends)
    {
        using TokenReader.Level level = _tokens.Nest();
        int line = _tokens.Current.Line;
        List<Statement> statements = [];
        while (_tokens.Current.Kind != TokenKind.End)
        {
            Token token = _tokens.Next();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    statements.Add(new TextStatement(token.Line, token.Text));
                    break;
                case TokenKind.VariableBegin:
                    statements.Add(new PrintStatement(token.Line, _expressions.ReadTuple()));
                    _tokens.Expect(TokenKind.VariableEnd, "'}}'");
                    break;
                default:
                    Token name = _tokens.Current;
                    if (name.Kind == TokenKind.Name && ends.Contains(name.Text))
                    {
                        return new Block(line, statements);
                    }
                    statements.Add(ReadStatement(ends));
                    break;
            }
        }
        return ends.Length == 0 ? new Block(line, statements) : throw _tokens.Unexpected($"a tag {Listed(ends)}");
    }

    private Statement ReadStatement(string[] ends)
    {
        Token name = _tokens.Expect(TokenKind.Name, "the name of a tag");
        if (!_tags.TryGetValue(name.Text, out Func<int, Statement>? read))
        {
            throw new ChatTemplateException($"unknown tag '{name.Text}'{(ends.Length > 0 ? $"; expected {Listed(ends)}" : "")}", name.Line);
        }
        Statement statement = read(name.Line);
        _tokens.Expect(TokenKind.BlockEnd, "'%}'");
        return statement;
    }

    private static string Listed(string[] ends) => string.Join(" or ", ends.Select(end => $"'{end}'"));

    /// <summary>A body and the name of the tag that ended it.</summary>
    private Block ReadBody(params string[] ends)
    {
        _tokens.SkipOperator(":");
        _tokens.Expect(TokenKind.BlockEnd, "'%}'");
        Block body = ReadUntil(ends);
        _ended = _tokens.Next().Text;
        return body;
    }

    private string _ended = "";

    private ForStatement ReadFor(int line)
    {
        Target target = ReadTargets();
        _tokens.ExpectName("in");
        Expression items = _expressions.ReadTuple(conditional: false, end: "recursive");
        Expression? condition = _tokens.SkipName("if") ? _expressions.Read() : null;
        bool recursive = _tokens.SkipName("recursive");
        _loops++;
        Block body = ReadBody("endfor", "else");
        _loops--;
        return new ForStatement(line, target, items, condition, recursive, body, _ended == "else" ? ReadBody("endfor") : null);
    }

    private IfStatement ReadIf(int line)
    {
        List<(Expression, Block)> branches = [];
        do
        {
            branches.Add((_expressions.ReadTuple(conditional: false), ReadBody("elif", "else", "endif")));
        }
        while (_ended == "elif");
        return new IfStatement(line, branches, _ended == "else" ? ReadBody("endif") : null);
    }

    private Statement ReadSet(int line)
    {
        Target target = ReadTargets();
        if (_tokens.SkipOperator("="))
        {
            return new SetStatement(line, target, _expressions.ReadTuple());
        }
        Expression filtered = _expressions.ReadFilters(new NameExpression(line, CaptureStatement.BodyName));
        return new CaptureStatement(line, target, filtered, ReadBody("endset"));
    }

    private CaptureStatement ReadFilter(int line)
    {
        Expression filtered = _expressions.ReadFilters(new NameExpression(line, CaptureStatement.BodyName), inline: true);
        return new CaptureStatement(line, null, filtered, ReadBody("endfilter"));
    }

    private WithStatement ReadWith(int line)
    {
        List<(Target, Expression)> variables = [];
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0)
            {
                _tokens.ExpectOperator(",");
            }
            Target target = ReadTarget();
            _tokens.ExpectOperator("=");
            variables.Add((target, _expressions.Read()));
        }
        return new WithStatement(line, variables, ReadBody("endwith"));
    }

    private MacroStatement ReadMacro(int line)
    {
        string name = _tokens.Expect(TokenKind.Name, "the name of the macro").Text;
        return ReadMacroBody(line, name, ReadParameters(), "endmacro");
    }

    private CallStatement ReadCall(int line)
    {
        // The signature stands before the call and the body behind it.
        List<(string, Expression?)> parameters = _tokens.Current.IsOperator("(") ? ReadParameters() : [];
        CallExpression call = _expressions.Read() as CallExpression ?? throw new ChatTemplateException("expected a call", line);
        return new CallStatement(line, call, ReadMacroBody(line, "caller", parameters, "endcall"));
    }

    private MacroStatement ReadMacroBody(int line, string name, List<(string, Expression?)> parameters, string end)
    {
        (int loops, _loops) = (_loops, 0);
        HashSet<string> outer = _expressions.BeginNames();
        Block body = ReadBody(end);
        HashSet<string> names = _expressions.EndNames(outer);
        _loops = loops;
        return new MacroStatement(line, new MacroSignature(
            name, parameters, names.Contains("varargs"), names.Contains("kwargs"), names.Contains("caller")), body);
    }

    private List<(string, Expression?)> ReadParameters()
    {
        List<(string, Expression?)> parameters = [];
        _tokens.ExpectOperator("(");
        while (!_tokens.SkipOperator(")"))
        {
            if (parameters.Count > 0)
            {
                _tokens.ExpectOperator(",");
            }
            string name = _tokens.Expect(TokenKind.Name, "the name of a parameter").Text;
            bool hasDefault = _tokens.SkipOperator("=");
            if (!hasDefault && parameters.Count > 0 && parameters[^1].Item2 is not null)
            {
                throw new ChatTemplateException($"parameter '{name}' without a default follows one with a default", _tokens.Current.Line);
            }
            parameters.Add((name, hasDefault ? _expressions.Read() : null));
        }
        return parameters;
    }

    private Target ReadTargets()
    {
        List<Target> targets = [ReadTarget()];
        bool several = false;
        while (_tokens.SkipOperator(","))
        {
            several = true;
            if (_tokens.Current.Kind is not TokenKind.Name && !_tokens.Current.IsOperator("(") || _tokens.Current.IsName("in"))
            {
                break;
            }
            targets.Add(ReadTarget());
        }
        return several ? new TupleTarget(targets) : targets[0];
    }

    private Target ReadTarget()
    {
        using TokenReader.Level level = _tokens.Nest();
        if (_tokens.SkipOperator("("))
        {
            Target inner = ReadTargets();
            _tokens.ExpectOperator(")");
            return inner;
        }
        Token name = _tokens.Expect(TokenKind.Name, "the name of a variable");
        if (name.Text is "true" or "false" or "none" or "True" or "False" or "None")
        {
            throw new ChatTemplateException($"cannot assign to '{name.Text}'", name.Line);
        }
        return _tokens.SkipOperator(".")
            ? new NamespaceTarget(name.Text, _tokens.Expect(TokenKind.Name, "the name of an attribute").Text)
            : new NameTarget(name.Text);
    }

    private Flow Inside(Flow flow) => _loops > 0 ? flow : throw new ChatTemplateException("break and continue stand in loops only", _tokens.Current.Line);
}
