using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What a call passes.</summary>
internal sealed record Arguments(
    Rendering Rendering, IReadOnlyList<Value> Positional, IReadOnlyList<KeyValuePair<string, Value>> Named)
{
    public static Arguments Of(Rendering rendering, params IReadOnlyList<Value> positional) => new(rendering, positional, []);
}

/// <summary>What a call takes: names in order, those with "?" may be left out, a last "*" takes the rest.</summary>
internal sealed class Signature
{
    private readonly string[] _names;
    private readonly int _required;
    private readonly bool _open;

    public Signature(string parameters)
    {
        string[] names = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        _open = names is [.., "*"];
        names = _open ? names[..^1] : names;
        _required = names.Count(name => !name.EndsWith('?'));
        _names = [.. names.Select(name => name.TrimEnd('?'))];
    }

    public BoundArguments Bind(string callee, Arguments arguments)
    {
        Value?[] values = new Value?[_names.Length];
        int positional = Math.Min(arguments.Positional.Count, values.Length);
        for (int i = 0; i < positional; i++)
        {
            values[i] = arguments.Positional[i];
        }
        if (arguments.Positional.Count > values.Length && !_open)
        {
            throw new ChatTemplateException($"{callee} takes {values.Length} arguments at most; found {arguments.Positional.Count}");
        }
        foreach ((string name, Value value) in arguments.Named)
        {
            int at = Array.IndexOf(_names, name);
            if (at >= 0 && values[at] is null)
            {
                values[at] = value;
            }
            else if (!_open)
            {
                throw new ChatTemplateException($"{callee} {(at < 0 ? "takes no" : "is given twice its")} argument '{name}'");
            }
        }
        int missing = Array.FindIndex(values, 0, _required, value => value is null);
        return missing < 0
            ? new BoundArguments(callee, values, arguments)
            : throw new ChatTemplateException($"{callee} lacks its argument '{_names[missing]}'");
    }
}

/// <summary>Arguments by the position of their parameter.</summary>
internal sealed class BoundArguments(string callee, Value?[] values, Arguments all)
{
    public Rendering Rendering => all.Rendering;

    public Arguments All => all;

    /// <summary>The argument, null where it was left out.</summary>
    public Value? this[int index] => values[index];

    public bool IsGiven(int index) => values[index] is not null and not NoneValue;

    public bool Flag(int index, bool missing = false) => values[index]?.IsTrue ?? missing;

    public string Text(int index) => values[index] is TextValue text ? text.Content : throw Wrong(index, "a string");

    public string Text(int index, string missing) => IsGiven(index) ? Text(index) : missing;

    public int Int(int index) => values[index] is NumberValue { Whole: { } whole }
        ? (int)BigInteger.Min(BigInteger.Max(whole, int.MinValue), int.MaxValue)
        : throw Wrong(index, "an integer");

    public int Int(int index, int missing) => IsGiven(index) ? Int(index) : missing;

    private ChatTemplateException Wrong(int index, string expected) =>
        new($"{callee}: argument {index + 1}: expected {expected}, found {(values[index] is UndefinedValue undefined ? undefined.Message : values[index]!.Type)}");
}

/// <summary>A method of a type, a filter or a test: what it takes and what it does.</summary>
internal sealed class Method<T>(string parameters, Func<T, BoundArguments, Value> body)
    where T : Value
{
    private readonly Signature _signature = new(parameters);

    public Value Call(string name, T self, Arguments arguments)
    {
        Rendering rendering = arguments.Rendering;
        rendering.Pay((self as TextValue)?.Content.Length ?? 0);
        foreach (Value argument in arguments.Positional)
        {
            rendering.Pay((argument as TextValue)?.Content.Length ?? 0);
        }
        Value result = body(self, _signature.Bind($"'{name}'", arguments));
        rendering.PayText((result as TextValue)?.Content.Length ?? 0);
        rendering.Step((result as ListValue)?.Length ?? 0);
        return result;
    }
}

internal sealed class BoundMethod<T>(string name, T self, Method<T> method) : Value
    where T : Value
{
    public override string Type => "builtin_function_or_method";

    public override int Depth => self.Depth;

    public override bool IsCallable => true;

    public override Value Call(Arguments arguments) => method.Call(name, self, arguments);
}

/// <summary>A function, or an object with attributes that can be called.</summary>
internal sealed class FunctionValue(
    string name, Func<Arguments, Value> body, IReadOnlyDictionary<string, Func<Value>>? attributes = null) : Value
{
    public override string Type => name;

    public override bool IsCallable => true;

    public override Value? Attribute(string attribute) => attributes?.GetValueOrDefault(attribute)?.Invoke();

    public override Value Call(Arguments arguments) => body(arguments);

    public static FunctionValue Of(string name, string parameters, Func<BoundArguments, Value> body)
    {
        Signature signature = new(parameters);
        return new FunctionValue(name, arguments => body(signature.Bind($"'{name}'", arguments)));
    }
}
