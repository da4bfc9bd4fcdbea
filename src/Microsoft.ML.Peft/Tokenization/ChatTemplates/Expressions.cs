namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

internal abstract class Expression(int line)
{
    public int Line => line;

    public Value Evaluate(Frame frame)
    {
        frame.Rendering.Enter(line);
        return Compute(frame);
    }

    protected abstract Value Compute(Frame frame);
}

internal sealed class ConstantExpression(int line, Value value) : Expression(line)
{
    protected override Value Compute(Frame frame) => value;
}

internal sealed class NameExpression(int line, string name) : Expression(line)
{
    protected override Value Compute(Frame frame) => frame.Scope.Find(name) ?? UndefinedValue.Name(name);
}

internal sealed class ListExpression(int line, IReadOnlyList<Expression> items, ListKind kind) : Expression(line)
{
    protected override Value Compute(Frame frame) => new ListValue([.. items.Select(item => item.Evaluate(frame))], kind);
}

internal sealed class DictExpression(int line, IReadOnlyList<(Expression Key, Expression Value)> entries) : Expression(line)
{
    protected override Value Compute(Frame frame) =>
        new DictValue([.. entries.Select(entry => KeyValuePair.Create(entry.Key.Evaluate(frame), entry.Value.Evaluate(frame)))]);
}

internal sealed class UnaryExpression(int line, Func<Value, Value> apply, Expression operand) : Expression(line)
{
    protected override Value Compute(Frame frame) => operand.Evaluate(frame) is var value && value is UndefinedValue undefined
        ? throw undefined.Error()
        : apply(value);
}

internal sealed class BinaryExpression(int line, string sign, Expression left, Expression right) : Expression(line)
{
    private readonly Func<Value, Value, Rendering, Value> _apply = Operators.Binary[sign];

    protected override Value Compute(Frame frame) => _apply(left.Evaluate(frame), right.Evaluate(frame), frame.Rendering);
}

/// <summary>a &lt; b &lt; c: each pair in turn, as far as they hold.</summary>
internal sealed class CompareExpression(int line, Expression first, IReadOnlyList<(string Sign, Expression Operand)> rest) : Expression(line)
{
    protected override Value Compute(Frame frame)
    {
        Value left = first.Evaluate(frame);
        foreach ((string sign, Expression operand) in rest)
        {
            Value right = operand.Evaluate(frame);
            if (!Operators.Comparisons[sign](left, right, frame.Rendering))
            {
                return BoolValue.False;
            }
            left = right;
        }
        return BoolValue.True;
    }
}

internal sealed class NotExpression(int line, Expression operand) : Expression(line)
{
    protected override Value Compute(Frame frame) => BoolValue.Of(!operand.Evaluate(frame).IsTrue);
}

/// <summary><c>and</c> and <c>or</c>: the left value where it decides, else the right one.</summary>
internal sealed class LogicExpression(int line, bool isOr, Expression left, Expression right) : Expression(line)
{
    protected override Value Compute(Frame frame) =>
        left.Evaluate(frame) is var value && value.IsTrue == isOr ? value : right.Evaluate(frame);
}

internal sealed class ConditionalExpression(int line, Expression test, Expression then, Expression? otherwise) : Expression(line)
{
    protected override Value Compute(Frame frame) =>
        test.Evaluate(frame).IsTrue ? then.Evaluate(frame)
        : otherwise?.Evaluate(frame) ?? new UndefinedValue($"the inline if on line {Line} was false and has no else");
}

internal sealed class AttributeExpression(int line, Expression of, string name) : Expression(line)
{
    protected override Value Compute(Frame frame) => Lookup.Attribute(of.Evaluate(frame), name, frame.Rendering);
}

internal sealed class ItemExpression(int line, Expression of, Expression key) : Expression(line)
{
    protected override Value Compute(Frame frame) => Lookup.Item(of.Evaluate(frame), key.Evaluate(frame), frame.Rendering);
}

internal sealed class SliceExpression(int line, Expression of, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    protected override Value Compute(Frame frame) =>
        Lookup.Slice(of.Evaluate(frame), Index(start, frame), Index(stop, frame), Index(step, frame), frame.Rendering);

    private static int? Index(Expression? part, Frame frame) => part?.Evaluate(frame) switch
    {
        null or NoneValue => null,
        NumberValue { Whole: { } whole } => (int)System.Numerics.BigInteger.Max(-int.MaxValue, System.Numerics.BigInteger.Min(int.MaxValue, whole)),
        UndefinedValue undefined => throw undefined.Error(),
        var other => throw new ChatTemplateException($"slice indices must be integers or None, not '{other.Type}'"),
    };
}

/// <summary>The arguments of a call: plain, by name, <c>*list</c> and <c>**dictionary</c>.</summary>
internal sealed record ArgumentList(
    IReadOnlyList<Expression> Positional, IReadOnlyList<KeyValuePair<string, Expression>> Named, Expression? Several, Expression? SeveralNamed)
{
    public static readonly ArgumentList Empty = new([], [], null, null);

    public Arguments Evaluate(Frame frame)
    {
        List<Value> positional = [.. Positional.Select(argument => argument.Evaluate(frame))];
        List<KeyValuePair<string, Value>> named = [.. Named.Select(argument => KeyValuePair.Create(argument.Key, argument.Value.Evaluate(frame)))];
        if (Several is not null)
        {
            positional.AddRange(Several.Evaluate(frame).Iterate(frame.Rendering));
        }
        if (SeveralNamed is not null)
        {
            DictValue more = SeveralNamed.Evaluate(frame) as DictValue ?? throw new ChatTemplateException("the argument after ** must be a mapping");
            named.AddRange(more.Entries.Select(entry => KeyValuePair.Create(frame.Rendering.Text(entry.Key), entry.Value)));
        }
        return new Arguments(frame.Rendering, positional, named);
    }
}

internal sealed class CallExpression(int line, Expression target, ArgumentList arguments) : Expression(line)
{
    protected override Value Compute(Frame frame) => Call(frame, null);

    /// <summary>The call with the block of a <c>{% call %}</c>.</summary>
    public Value Call(Frame frame, Value? caller)
    {
        Value function = target.Evaluate(frame);
        Arguments values = arguments.Evaluate(frame);
        return function.Call(caller is null ? values : values with { Named = [.. values.Named, KeyValuePair.Create("caller", caller)] });
    }
}

internal sealed class FilterExpression(int line, Expression operand, string name, ArgumentList arguments) : Expression(line)
{
    protected override Value Compute(Frame frame) => Filters.Apply(name, operand.Evaluate(frame), arguments.Evaluate(frame));
}

internal sealed class TestExpression(int line, Expression operand, string name, ArgumentList arguments) : Expression(line)
{
    protected override Value Compute(Frame frame) => BoolValue.Of(Tests.Holds(name, operand.Evaluate(frame), arguments.Evaluate(frame)));
}
