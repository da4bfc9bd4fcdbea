using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What % and format() share: one value by one conversion, with sign, width and precision.</summary>
internal readonly record struct NumberFormat(char Kind, int? Precision, char Sign = '-', bool Alternate = false)
{
    public const int MaxPrecision = 1000;

    /// <summary>The sign and the digits.</summary>
    public (string Sign, string Digits) Apply(NumberValue number)
    {
        string text = Kind switch
        {
            'd' or 'i' or 'u' => PythonNumber.Text(ToWhole(number)),
            'x' => (Alternate ? "0x" : "") + Radix(ToWhole(number), 16).ToLowerInvariant(),
            'X' => (Alternate ? "0X" : "") + Radix(ToWhole(number), 16),
            'o' => (Alternate ? "0o" : "") + Radix(ToWhole(number), 8),
            'b' => (Alternate ? "0b" : "") + Radix(ToWhole(number), 2),
            'f' or 'F' => PythonNumber.Fixed(number.Real, Places),
            'e' => PythonNumber.Scientific(number.Real, Places),
            'E' => PythonNumber.Scientific(number.Real, Places).ToUpperInvariant(),
            'g' => PythonNumber.General(number.Real, Places),
            'G' => PythonNumber.General(number.Real, Places).ToUpperInvariant(),
            '%' => PythonNumber.Fixed(number.Real * 100, Places) + "%",
            _ => throw new ChatTemplateException($"unsupported format character '{Kind}'"),
        };
        bool negative = text.StartsWith('-') || Kind is 'x' or 'X' or 'o' or 'b' && ToWhole(number).Sign < 0;
        return (negative ? "-" : Sign == '-' ? "" : Sign.ToString(), text.StartsWith('-') ? text[1..] : text);
    }

    private int Places => Precision is > MaxPrecision ? throw new ChatTemplateException($"a precision of more than {MaxPrecision}") : Precision ?? 6;

    private static BigInteger ToWhole(NumberValue number) => number.Whole
        ?? (double.IsFinite(number.Real) ? new BigInteger(number.Real) : throw new ChatTemplateException("cannot convert float infinity or nan to integer"));

    private static string Radix(BigInteger value, int radix)
    {
        value = BigInteger.Abs(value);
        string digits = radix switch
        {
            16 => value.ToString("X", CultureInfo.InvariantCulture),
            2 => value.ToString("B", CultureInfo.InvariantCulture),
            _ => Octal(value),
        };
        digits = digits.TrimStart('0');
        return digits.Length > 0 ? digits : "0";
    }

    private static string Octal(BigInteger value)
    {
        Stack<char> digits = new();
        for (; !value.IsZero; value >>= 3)
        {
            digits.Push((char)('0' + (int)(value & 7)));
        }
        return new string([.. digits]);
    }
}
