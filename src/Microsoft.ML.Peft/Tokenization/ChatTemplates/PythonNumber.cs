using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Numbers to text and back as Python does it.</summary>
internal static class PythonNumber
{
    public static string Text(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The shortest digits that give the number back; with an exponent below 1e-4 and from 1e16.</summary>
    public static string Text(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        (string sign, string digits, int exponent) = Decompose(value.ToString("R", CultureInfo.InvariantCulture));
        if (exponent is < -4 or >= 16)
        {
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{Exponent(exponent)}";
        }
        return exponent < 0 ? $"{sign}0.{new string('0', -exponent - 1)}{digits}"
            : digits.Length <= exponent + 1 ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>As C's %f, exact, ties to the even digit.</summary>
    public static string Fixed(double value, int precision)
    {
        if (!double.IsFinite(value))
        {
            return Text(value);
        }
        BigInteger scaled = BigInteger.Abs(Scale(value, precision));
        string digits = Text(scaled).PadLeft(precision + 1, '0');
        string sign = double.IsNegative(value) ? "-" : "";
        return precision == 0 ? sign + digits : $"{sign}{digits[..^precision]}.{digits[^precision..]}";
    }

    /// <summary>As C's %e.</summary>
    public static string Scientific(double value, int precision)
    {
        if (!double.IsFinite(value))
        {
            return Text(value);
        }
        string text = value.ToString($"E{precision}", CultureInfo.InvariantCulture);
        int at = text.IndexOf('E', StringComparison.Ordinal);
        return $"{text[..at]}e{Exponent(int.Parse(text.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))}";
    }

    /// <summary>As C's %g.</summary>
    public static string General(double value, int precision)
    {
        if (!double.IsFinite(value))
        {
            return Text(value);
        }
        precision = Math.Max(precision, 1);
        string scientific = Scientific(value, precision - 1);
        int at = scientific.IndexOf('e', StringComparison.Ordinal);
        int exponent = int.Parse(scientific.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return exponent < -4 || exponent >= precision
            ? TrimZeros(scientific[..at]) + scientific[at..]
            : TrimZeros(Fixed(value, precision - 1 - exponent));
    }

    /// <summary>Python's round with digits; negative ones round before the point.</summary>
    public static double Round(double value, int precision) =>
        !double.IsFinite(value) || precision > 323 ? value
        : precision >= 0 ? double.Parse(Fixed(value, precision), CultureInfo.InvariantCulture)
        : (double)(Scale(value, precision) * BigInteger.Pow(10, -Math.Max(precision, -400)));

    public static BigInteger Round(BigInteger value, int precision)
    {
        BigInteger unit = BigInteger.Pow(10, Math.Min(-Math.Min(precision, 0), IntValue.MaxBits));
        return DivideToEven(value, unit) * unit;
    }

    /// <summary>Python's int(text, base); null where the text is no such number.</summary>
    public static BigInteger? ParseWhole(string text, int numberBase)
    {
        string digits = text.Trim(Characters32.Spaces.ToCharArray()).ToUpperInvariant();
        bool negative = digits.StartsWith('-');
        digits = digits.TrimStart('+', '-') is var rest && digits.Length - rest.Length > 1 ? "" : rest;
        string prefix = numberBase switch { 2 => "0B", 8 => "0O", 16 => "0X", _ => "" };
        digits = prefix.Length > 0 && digits.StartsWith(prefix, StringComparison.Ordinal) ? digits[2..] : digits;
        if (digits.Length is 0 or > 4300 || digits[0] == '_' || digits[^1] == '_' || digits.Contains("__", StringComparison.Ordinal))
        {
            return null;
        }
        BigInteger value = BigInteger.Zero;
        foreach (char c in digits.Replace("_", "", StringComparison.Ordinal))
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterUpper(c) ? c - 'A' + 10 : int.MaxValue;
            if (digit >= numberBase)
            {
                return null;
            }
            value = value * numberBase + digit;
        }
        return negative ? -value : value;
    }

    /// <summary>Python's float(text); null where the text is no number.</summary>
    public static double? ParseReal(string text)
    {
        string trimmed = text.Trim(Characters32.Spaces.ToCharArray());
        return trimmed.ToUpperInvariant().TrimStart('+', '-') switch
        {
            "INF" or "INFINITY" => trimmed[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity,
            "NAN" => double.NaN,
            _ => double.TryParse(trimmed, NumberStyles.Float & ~NumberStyles.AllowLeadingWhite & ~NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture, out double value) && trimmed.Any(char.IsAsciiDigit) ? value : null,
        };
    }

    private static string Exponent(int exponent) =>
        $"{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture)}";

    private static string TrimZeros(string text) =>
        text.Contains('.', StringComparison.Ordinal) ? text.TrimEnd('0').TrimEnd('.') : text;

    private static (string Sign, string Digits, int Exponent) Decompose(string text)
    {
        string[] parts = text.TrimStart('-').Split('E');
        string[] sides = parts[0].Split('.');
        string digits = string.Concat(sides).TrimStart('0');
        int exponent = parts.Length > 1 ? int.Parse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)
            : sides[0] != "0" ? sides[0].Length - 1
            : digits.Length == 0 ? 0
            : digits.Length - sides[1].Length - 1;
        digits = digits.TrimEnd('0');
        return (text.StartsWith('-') ? "-" : "", digits.Length == 0 ? "0" : digits, exponent);
    }

    /// <summary>value · 10^precision as a whole number, exactly, ties to even.</summary>
    private static BigInteger Scale(double value, int precision)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52 & 0x7FF);
        BigInteger numerator = exponent == 0 ? bits & 0xFFFFFFFFFFFFF : bits & 0xFFFFFFFFFFFFF | 1L << 52;
        BigInteger denominator = BigInteger.One;
        int shift = Math.Max(exponent, 1) - 1075;
        (numerator, denominator) = shift >= 0 ? (numerator << shift, denominator) : (numerator, denominator << -shift);
        BigInteger power = BigInteger.Pow(10, Math.Min(Math.Abs(precision), 400));
        (numerator, denominator) = precision >= 0 ? (numerator * power, denominator) : (numerator, denominator * power);
        return DivideToEven(value < 0 ? -numerator : numerator, denominator);
    }

    private static BigInteger DivideToEven(BigInteger numerator, BigInteger denominator)
    {
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(numerator), denominator, out BigInteger rest);
        int half = (rest * 2).CompareTo(denominator);
        quotient += half > 0 || half == 0 && !quotient.IsEven ? 1 : 0;
        return numerator.Sign < 0 ? -quotient : quotient;
    }
}
