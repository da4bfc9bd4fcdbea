using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Filters on single values and numbers.</summary>
internal static class ValueFilters
{
    public static readonly Dictionary<string, Method<Value>> All = new()
    {
        ["default"] = Default(),
        ["d"] = Default(),
        ["abs"] = new("", (value, _) => value is NumberValue number
            ? number.Whole is { } whole ? new IntValue(BigInteger.Abs(whole)) : new FloatValue(Math.Abs(number.Real))
            : throw Filters.Unsuited("abs", value)),
        ["int"] = new("default? base?", ToInt),
        ["float"] = new("default?", ToFloat),
        ["round"] = new("precision? method?", Round),
        ["attr"] = new("name", (value, a) => value.Attribute(a.Text(0)) ?? UndefinedValue.Missing(value, a[0]!, a.Rendering)),
    };

    private static Method<Value> Default() => new("default_value? boolean?", (value, a) =>
        value is UndefinedValue || a.Flag(1) && !value.IsTrue ? a[0] ?? new TextValue("") : value);

    private static Value ToInt(Value value, BoundArguments a)
    {
        BigInteger? whole = value switch
        {
            TextValue text => PythonNumber.ParseWhole(text.Content, a.Int(1, 10)) ?? Truncated(PythonNumber.ParseReal(text.Content)),
            NumberValue { Whole: { } number } => number,
            NumberValue number => Truncated(number.Real),
            UndefinedValue undefined => throw undefined.Error(),
            _ => null,
        };
        return whole is { } found ? new IntValue(found) : a[0] ?? new IntValue(0);
    }

    private static BigInteger? Truncated(double? value) => value is { } real && double.IsFinite(real) ? new BigInteger(real) : null;

    private static Value ToFloat(Value value, BoundArguments a)
    {
        double? real = value switch
        {
            TextValue text => PythonNumber.ParseReal(text.Content),
            NumberValue number => number.Real,
            UndefinedValue undefined => throw undefined.Error(),
            _ => null,
        };
        return real is { } found ? new FloatValue(found) : a[0] ?? new FloatValue(0);
    }

    private static Value Round(Value value, BoundArguments a)
    {
        NumberValue number = value as NumberValue ?? throw Filters.Unsuited("round", value);
        int precision = a.Int(0, 0);
        double scale = Math.Pow(10, precision);
        return a.Text(1, "common") switch
        {
            "common" => number.Whole is { } whole ? new IntValue(PythonNumber.Round(whole, precision)) : new FloatValue(PythonNumber.Round(number.Real, precision)),
            "ceil" => new FloatValue(Math.Ceiling(number.Real * scale) / scale),
            "floor" => new FloatValue(Math.Floor(number.Real * scale) / scale),
            var other => throw new ChatTemplateException($"'round': expected the method common, ceil or floor, found '{other}'"),
        };
    }
}
