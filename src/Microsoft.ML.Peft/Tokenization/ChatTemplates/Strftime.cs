using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>C's strftime in the C locale.</summary>
internal static class Strftime
{
    private static readonly Dictionary<char, Func<DateTime, string>> Conversions = new()
    {
        ['a'] = Net("ddd"),
        ['A'] = Net("dddd"),
        ['b'] = Net("MMM"),
        ['h'] = Net("MMM"),
        ['B'] = Net("MMMM"),
        ['c'] = now => Format("%a %b %e %H:%M:%S %Y", now),
        ['C'] = now => Two(now.Year / 100),
        ['d'] = Net("dd"),
        ['D'] = Net("MM/dd/yy"),
        ['e'] = now => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        ['f'] = Net("ffffff"),
        ['F'] = Net("yyyy-MM-dd"),
        ['G'] = now => ISOWeek.GetYear(now).ToString(CultureInfo.InvariantCulture),
        ['H'] = Net("HH"),
        ['I'] = Net("hh"),
        ['j'] = now => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        ['k'] = now => now.Hour.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        ['l'] = now => ((now.Hour + 11) % 12 + 1).ToString(CultureInfo.InvariantCulture).PadLeft(2),
        ['m'] = Net("MM"),
        ['M'] = Net("mm"),
        ['n'] = _ => "\n",
        ['p'] = Net("tt"),
        ['P'] = now => now.Hour < 12 ? "am" : "pm",
        ['r'] = Net("hh:mm:ss tt"),
        ['R'] = Net("HH:mm"),
        ['s'] = now => new DateTimeOffset(now).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        ['S'] = Net("ss"),
        ['t'] = _ => "\t",
        ['T'] = Net("HH:mm:ss"),
        ['u'] = now => (((int)now.DayOfWeek + 6) % 7 + 1).ToString(CultureInfo.InvariantCulture),
        ['U'] = now => Two((now.DayOfYear + 6 - (int)now.DayOfWeek) / 7),
        ['V'] = now => Two(ISOWeek.GetWeekOfYear(now)),
        ['w'] = now => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
        ['W'] = now => Two((now.DayOfYear + 6 - ((int)now.DayOfWeek + 6) % 7) / 7),
        ['x'] = Net("MM/dd/yy"),
        ['X'] = Net("HH:mm:ss"),
        ['y'] = Net("yy"),
        ['Y'] = Net("yyyy"),
        // Python's local time without a zone has neither.
        ['z'] = _ => "",
        ['Z'] = _ => "",
        ['%'] = _ => "%",
    };

    public static string Format(string format, DateTime now)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            bool bare = format[i] == '%' && i + 2 < format.Length && format[i + 1] == '-';
            int at = i + (bare ? 2 : 1);
            if (format[i] == '%' && at < format.Length && Conversions.TryGetValue(format[at], out Func<DateTime, string>? conversion))
            {
                string part = conversion(now);
                text.Append(bare && part.TrimStart('0', ' ') is { Length: > 0 } trimmed ? trimmed : part);
                i = at;
            }
            else
            {
                text.Append(format[i]);
            }
        }
        return text.ToString();
    }

    private static Func<DateTime, string> Net(string format) => now => now.ToString(format, CultureInfo.InvariantCulture);

    private static string Two(int number) => number.ToString("00", CultureInfo.InvariantCulture);
}
