using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Python's operators.</summary>
internal static class Operators
{
    public static readonly Dictionary<string, Func<Value, Value, Rendering, Value>> Binary = new()
    {
        ["+"] = Add,
        ["-"] = (a, b, _) => Number("-", a, b, (x, y) => new IntValue(x - y), (x, y) => x - y),
        ["*"] = Multiply,
        ["/"] = (a, b, _) => Number("/", a, b, (x, y) => new FloatValue(Divide(x, y)), (x, y) => x / NotZero(y)),
        ["//"] = (a, b, _) => Number("//", a, b, (x, y) => new IntValue(FloorDivide(x, y)), (x, y) => Math.Floor(x / NotZero(y))),
        ["%"] = Modulo,
        ["**"] = (a, b, _) => Number("**", a, b, Power, Power),
        ["~"] = (a, b, rendering) => new TextValue(Concat(rendering, rendering.Text(a), rendering.Text(b))),
    };

    public static readonly Dictionary<string, Func<Value, Value, Rendering, bool>> Comparisons = new()
    {
        ["=="] = Same,
        ["!="] = (a, b, rendering) => !Same(a, b, rendering),
        ["<"] = (a, b, rendering) => Compare("<", a, b, rendering) < 0,
        ["<="] = (a, b, rendering) => Compare("<=", a, b, rendering) <= 0,
        [">"] = (a, b, rendering) => Compare(">", a, b, rendering) > 0,
        [">="] = (a, b, rendering) => Compare(">=", a, b, rendering) >= 0,
        ["in"] = (a, b, rendering) => Contains(b, a, rendering),
        ["not in"] = (a, b, rendering) => !Contains(b, a, rendering),
    };

    public static Value Negate(Value value) => value switch
    {
        NumberValue { Whole: { } whole } => new IntValue(-whole),
        NumberValue number => new FloatValue(-number.Real),
        _ => throw Unsuited("unary -", value),
    };

    public static Value Plus(Value value) => value switch
    {
        NumberValue { Whole: { } whole } => new IntValue(whole),
        NumberValue => value,
        _ => throw Unsuited("unary +", value),
    };

    public static bool Same(Value a, Value b, Rendering rendering)
    {
        rendering.Step(1);
        return (a, b) switch
        {
            (TextValue x, TextValue y) => SameText(x.Content, y.Content, rendering),
            (NumberValue x, NumberValue y) => NumberValue.Same(x, y),
            (UndefinedValue, UndefinedValue) => true,
            (ListValue x, ListValue y) => x.Kind == y.Kind && x.Length == y.Length
                && x.Elements().Zip(y.Elements()).All(pair => Same(pair.First, pair.Second, rendering)),
            (DictValue x, DictValue y) => x.Length == y.Length
                && x.Entries.All(entry => y.Item(entry.Key) is { } other && Same(entry.Value, other, rendering)),
            _ => ReferenceEquals(a, b),
        };
    }

    public static bool Contains(Value container, Value item, Rendering rendering) => (container, item) switch
    {
        (TextValue text, TextValue part) => ContainsText(text.Content, part.Content, rendering),
        (TextValue, _) => throw (item as UndefinedValue)?.Error()
            ?? new ChatTemplateException($"'in <string>' requires string as left operand, not {item.Type}"),
        (DictValue dict, _) => dict.Item(item) is not null,
        _ => container.Iterate(rendering).Any(element => Same(element, item, rendering)),
    };

    /// <summary>Below, at or above zero as Python orders them; an error where it does not.</summary>
    public static int Compare(string sign, Value a, Value b, Rendering rendering)
    {
        rendering.Step(1);
        return (a, b) switch
        {
            (TextValue x, TextValue y) => Characters32.Compare(x.Content, y.Content),
            // Against what is no number everything is false, which no order says: NaN is left out of templates' reach in practice.
            (NumberValue x, NumberValue y) => NumberValue.Compare(x, y) ?? throw new ChatTemplateException($"'{sign}' with nan is not supported"),
            (ListValue x, ListValue y) when x.Kind == y.Kind && x.Kind is ListKind.List or ListKind.Tuple => CompareLists(sign, x, y, rendering),
            _ => throw Unsuited(sign, a, b),
        };
    }

    public static string Concat(Rendering rendering, string a, string b)
    {
        rendering.PayCopy((long)a.Length + b.Length);
        return string.Concat(a, b);
    }

    private static int CompareLists(string sign, ListValue a, ListValue b, Rendering rendering)
    {
        foreach ((Value x, Value y) in a.Elements().Zip(b.Elements()))
        {
            if (!Same(x, y, rendering))
            {
                return Compare(sign, x, y, rendering);
            }
        }
        return a.Length!.Value.CompareTo(b.Length!.Value);
    }

    private static bool SameText(string a, string b, Rendering rendering)
    {
        rendering.Pay(Math.Min(a.Length, b.Length));
        return a == b;
    }

    private static bool ContainsText(string text, string part, Rendering rendering)
    {
        rendering.Pay(text.Length);
        return text.Contains(part, StringComparison.Ordinal);
    }

    private static Value Add(Value a, Value b, Rendering rendering) => (a, b) switch
    {
        (TextValue x, TextValue y) when x.Safe || y.Safe =>
            new TextValue(Concat(rendering, Markup(x), Markup(y)), safe: true),
        (TextValue x, TextValue y) => new TextValue(Concat(rendering, x.Content, y.Content)),
        (ListValue x, ListValue y) when x.Kind == y.Kind && x.Kind is ListKind.List or ListKind.Tuple => Join(x, y, rendering),
        (TextValue, not UndefinedValue) => throw new ChatTemplateException($"can only concatenate str (not \"{b.Type}\") to str"),
        _ => Number("+", a, b, (x, y) => new IntValue(x + y), (x, y) => x + y),
    };

    private static string Markup(TextValue text) => text.Safe ? text.Content : TextValue.EscapeHtml(text.Content);

    private static ListValue Join(ListValue a, ListValue b, Rendering rendering)
    {
        rendering.Step(a.Length!.Value + b.Length!.Value);
        return new ListValue([.. a.Elements(), .. b.Elements()], a.Kind);
    }

    private static Value Multiply(Value a, Value b, Rendering rendering) => (a, b) switch
    {
        (TextValue text, NumberValue { Whole: { } times }) => Repeat(text, times, rendering),
        (NumberValue { Whole: { } times }, TextValue text) => Repeat(text, times, rendering),
        (ListValue { Kind: ListKind.List or ListKind.Tuple } list, NumberValue { Whole: { } times }) => Repeat(list, times, rendering),
        (NumberValue { Whole: { } times }, ListValue { Kind: ListKind.List or ListKind.Tuple } list) => Repeat(list, times, rendering),
        _ => Number("*", a, b, (x, y) => new IntValue(x * y), (x, y) => x * y),
    };

    private static TextValue Repeat(TextValue text, BigInteger times, Rendering rendering)
    {
        int count = text.Content.Length == 0 ? 0 : Times(times);
        rendering.PayText((long)text.Content.Length * count);
        return new TextValue(string.Concat(Enumerable.Repeat(text.Content, count)), text.Safe);
    }

    private static ListValue Repeat(ListValue list, BigInteger times, Rendering rendering)
    {
        int count = list.Length == 0 ? 0 : Times(times);
        rendering.Step((long)list.Length!.Value * count);
        return new ListValue([.. Enumerable.Repeat(list.Elements(), count).SelectMany(items => items)], list.Kind);
    }

    private static int Times(BigInteger times) => (int)BigInteger.Max(0, BigInteger.Min(times, Rendering.MaxLength + 1));

    private static Value Modulo(Value a, Value b, Rendering rendering) => a is TextValue format
        ? new TextValue(PercentFormat.Apply(format.Content, b, rendering))
        : Number("%", a, b, (x, y) => new IntValue(x - FloorDivide(x, y) * y), (x, y) => x - Math.Floor(x / NotZero(y)) * y);

    private static Value Power(BigInteger a, BigInteger b)
    {
        if (b.Sign < 0)
        {
            return new FloatValue(Power((double)a, (double)b));
        }
        if (!a.IsZero && !a.IsOne && a != BigInteger.MinusOne && a.GetBitLength() * b > 2 * IntValue.MaxBits)
        {
            throw new ChatTemplateException($"a number of more than {IntValue.MaxBits} bits");
        }
        return new IntValue(a.IsZero && !b.IsZero ? a : a.IsOne ? a : a == BigInteger.MinusOne ? (b.IsEven ? 1 : -1) : BigInteger.Pow(a, (int)b));
    }

    private static double Power(double a, double b)
    {
        double power = a == 0 && b < 0 ? throw new ChatTemplateException("zero to a negative power") : Math.Pow(a, b);
        return double.IsFinite(power) || !double.IsFinite(a) || !double.IsFinite(b) ? power : throw new ChatTemplateException("the power is no real number, or too large");
    }

    private static BigInteger FloorDivide(BigInteger a, BigInteger b)
    {
        BigInteger quotient = BigInteger.DivRem(a, NotZero(b), out BigInteger rest);
        return rest.Sign != 0 && rest.Sign != b.Sign ? quotient - 1 : quotient;
    }

    private static double Divide(BigInteger a, BigInteger b)
    {
        double quotient = (double)a / (double)NotZero(b);
        return double.IsFinite(quotient) ? quotient : throw new ChatTemplateException("the quotient is too large for a float");
    }

    private static BigInteger NotZero(BigInteger divisor) => divisor.IsZero ? throw new ChatTemplateException("division by zero") : divisor;

    private static double NotZero(double divisor) => divisor == 0 ? throw new ChatTemplateException("division by zero") : divisor;

    private static Value Number(
        string sign, Value a, Value b, Func<BigInteger, BigInteger, Value> whole, Func<double, double, double> real) => (a, b) switch
        {
            (NumberValue { Whole: { } x }, NumberValue { Whole: { } y }) => whole(x, y),
            (NumberValue x, NumberValue y) => new FloatValue(real(Finite(x), Finite(y))),
            _ => throw Unsuited(sign, a, b),
        };

    private static double Finite(NumberValue number) => number.Whole is null || double.IsFinite(number.Real)
        ? number.Real
        : throw new ChatTemplateException("an integer too large for a float");

    private static ChatTemplateException Unsuited(string sign, params Value[] operands) =>
        operands.OfType<UndefinedValue>().FirstOrDefault()?.Error()
        ?? new ChatTemplateException($"unsupported operand type(s) for {sign}: {string.Join(" and ", operands.Select(o => $"'{o.Type}'"))}");
}
