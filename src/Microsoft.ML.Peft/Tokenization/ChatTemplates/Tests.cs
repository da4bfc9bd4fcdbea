namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What stands behind <c>is</c>, by name.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Method<Value>> All = new()
    {
        ["defined"] = Is(value => value is not UndefinedValue),
        ["undefined"] = Is(value => value is UndefinedValue),
        ["none"] = Is(value => value is NoneValue),
        ["boolean"] = Is(value => value is BoolValue),
        ["true"] = Is(value => ReferenceEquals(value, BoolValue.True)),
        ["false"] = Is(value => ReferenceEquals(value, BoolValue.False)),
        ["integer"] = Is(value => value is IntValue),
        ["float"] = Is(value => value is FloatValue),
        ["number"] = Is(value => value is NumberValue),
        ["string"] = Is(value => value is TextValue),
        ["mapping"] = Is(value => value is DictValue),
        ["sequence"] = Is(value => value is TextValue or DictValue or UndefinedValue or GroupValue or ListValue { Kind: not ListKind.View }),
        ["iterable"] = Is(value => value is TextValue or DictValue or UndefinedValue or GroupValue or ListValue or GeneratorValue),
        ["callable"] = Is(value => value.IsCallable),
        ["escaped"] = Is(value => value is TextValue { Safe: true }),
        ["lower"] = new("", (value, a) => BoolValue.Of(TextMethods.IsLower(a.Rendering.Text(value)))),
        ["upper"] = new("", (value, a) => BoolValue.Of(TextMethods.IsUpper(a.Rendering.Text(value)))),
        ["odd"] = new("", (value, a) => BoolValue.Of(Rest(value, 2, a) == 1)),
        ["even"] = new("", (value, a) => BoolValue.Of(Rest(value, 2, a) == 0)),
        ["divisibleby"] = new("num", (value, a) => BoolValue.Of(Rest(value, a.Int(0), a) == 0)),
        ["sameas"] = new("other", (value, a) => BoolValue.Of(
            ReferenceEquals(value, a[0]) || value is IntValue or TextValue && value.Type == a[0]!.Type && Operators.Same(value, a[0]!, a.Rendering))),
        ["filter"] = new("", (value, _) => BoolValue.Of(value is TextValue name && Filters.Has(name.Content))),
        ["test"] = new("", (value, _) => BoolValue.Of(value is TextValue name && All!.ContainsKey(name.Content))),
        ["in"] = Compares("in"),
        ["=="] = Compares("=="),
        ["eq"] = Compares("=="),
        ["equalto"] = Compares("=="),
        ["!="] = Compares("!="),
        ["ne"] = Compares("!="),
        ["<"] = Compares("<"),
        ["lt"] = Compares("<"),
        ["lessthan"] = Compares("<"),
        ["<="] = Compares("<="),
        ["le"] = Compares("<="),
        [">"] = Compares(">"),
        ["gt"] = Compares(">"),
        ["greaterthan"] = Compares(">"),
        [">="] = Compares(">="),
        ["ge"] = Compares(">="),
    };

    public static bool Holds(string name, Value value, Arguments arguments) =>
        All.TryGetValue(name, out Method<Value>? test)
            ? test.Call(name, value, arguments).IsTrue
            : throw new ChatTemplateException($"no test named '{name}'");

    private static Method<Value> Is(Predicate<Value> test) => new("", (value, _) => BoolValue.Of(test(value)));

    private static Method<Value> Compares(string sign) =>
        new("other", (value, a) => BoolValue.Of(Operators.Comparisons[sign](value, a[0]!, a.Rendering)));

    private static double Rest(Value value, int divisor, BoundArguments a) =>
        ((NumberValue)Operators.Binary["%"](value as NumberValue ?? throw Filters.Unsuited("a number's test", value), new IntValue(divisor), a.Rendering)).Real;
}
