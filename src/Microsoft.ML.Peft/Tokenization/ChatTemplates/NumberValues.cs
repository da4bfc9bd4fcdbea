using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Truth values count as numbers, as in Python.</summary>
internal abstract class NumberValue : Value
{
    /// <summary>The whole number, null of a float.</summary>
    public abstract BigInteger? Whole { get; }

    public abstract double Real { get; }

    public static bool Same(NumberValue a, NumberValue b) =>
        a.Whole is { } x && b.Whole is { } y ? x == y : a.Real == b.Real;

    public static int? Compare(NumberValue a, NumberValue b) =>
        a.Whole is { } x && b.Whole is { } y ? x.CompareTo(y)
        : double.IsNaN(a.Real) || double.IsNaN(b.Real) ? null
        : a.Real.CompareTo(b.Real);
}

internal sealed class BoolValue : NumberValue
{
    public static readonly BoolValue True = new(true);
    public static readonly BoolValue False = new(false);

    private readonly bool _value;

    private BoolValue(bool value) => _value = value;

    public override string Type => "bool";

    public override bool IsTrue => _value;

    public override BigInteger? Whole => _value ? BigInteger.One : BigInteger.Zero;

    public override double Real => _value ? 1 : 0;

    public static BoolValue Of(bool value) => value ? True : False;

    public override void WriteRepr(TextBuilder text) => text.Append(_value ? "True" : "False");
}

internal sealed class IntValue : NumberValue
{
    /// <summary>About as many digits as Python prints.</summary>
    public const int MaxBits = 14_000;

    private readonly BigInteger _value;

    public IntValue(BigInteger value) =>
        _value = value.GetBitLength() <= MaxBits ? value : throw new ChatTemplateException($"a number of more than {MaxBits} bits");

    public override string Type => "int";

    public override bool IsTrue => !_value.IsZero;

    public override BigInteger? Whole => _value;

    public override double Real => (double)_value;

    public override void WriteRepr(TextBuilder text) => text.Append(PythonNumber.Text(_value));
}

internal sealed class FloatValue(double value) : NumberValue
{
    public override string Type => "float";

    public override bool IsTrue => value != 0;

    public override BigInteger? Whole => null;

    public override double Real => value;

    public override void WriteRepr(TextBuilder text) => text.Append(PythonNumber.Text(value));
}
