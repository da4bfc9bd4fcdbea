namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What a macro takes, and whether its body asks for what is passed beyond.</summary>
internal sealed record MacroSignature(
    string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, bool TakesMore, bool TakesMoreNamed, bool TakesCaller);

internal sealed class MacroStatement(int line, MacroSignature signature, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Scope.Set(signature.Name, Value(frame));
        return Flow.Next;
    }

    public Value Value(Frame frame) => new FunctionValue("Macro", arguments => Call(frame, arguments), new Dictionary<string, Func<Value>>
    {
        ["name"] = () => new TextValue(signature.Name),
        ["arguments"] = () => new ListValue([.. signature.Parameters.Select(parameter => new TextValue(parameter.Name))], ListKind.Tuple),
    });

    private TextValue Call(Frame frame, Arguments arguments) => frame.Rendering.Call(signature.Name, () =>
    {
        Frame call = frame.Capture(new Scope(frame.Scope));
        Bind(call, arguments);
        body.Execute(call);
        return new TextValue(call.Output.ToString());
    });

    private void Bind(Frame call, Arguments arguments)
    {
        Dictionary<string, Value> named = new(arguments.Named.DistinctBy(entry => entry.Key));
        IReadOnlyList<(string Name, Expression? Default)> parameters = signature.Parameters;
        for (int i = 0; i < parameters.Count; i++)
        {
            (string name, Expression? missing) = parameters[i];
            bool byName = named.Remove(name, out Value? value);
            if (byName && i < arguments.Positional.Count)
            {
                throw new ChatTemplateException($"macro '{signature.Name}' is given twice its argument '{name}'");
            }
            call.Scope.Set(name, byName ? value!
                : i < arguments.Positional.Count ? arguments.Positional[i]
                : missing?.Evaluate(call) ?? new UndefinedValue($"parameter '{name}' was not provided"));
        }
        BindMore(call, named, [.. arguments.Positional.Skip(parameters.Count)]);
    }

    private void BindMore(Frame call, Dictionary<string, Value> named, Value[] more)
    {
        if (signature.TakesCaller)
        {
            call.Scope.Set("caller", named.Remove("caller", out Value? caller) ? caller : new UndefinedValue("no caller defined"));
        }
        if (signature.TakesMoreNamed)
        {
            call.Scope.Set("kwargs", new DictValue(named.Select(entry => KeyValuePair.Create<Value, Value>(new TextValue(entry.Key), entry.Value))));
        }
        else if (named.Count > 0)
        {
            throw new ChatTemplateException($"macro '{signature.Name}' takes no argument '{named.Keys.First()}'");
        }
        if (signature.TakesMore)
        {
            call.Scope.Set("varargs", new ListValue(more, ListKind.Tuple));
        }
        else if (more.Length > 0)
        {
            throw new ChatTemplateException($"macro '{signature.Name}' takes not more than {signature.Parameters.Count} arguments");
        }
    }
}

/// <summary>Calls a macro with a block that it can call back.</summary>
internal sealed class CallStatement(int line, CallExpression call, MacroStatement caller) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        call.Call(frame, caller.Value(frame)).WriteText(frame.Output);
        return Flow.Next;
    }
}
