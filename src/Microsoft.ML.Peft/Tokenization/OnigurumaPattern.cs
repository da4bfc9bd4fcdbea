using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Writes the regular expressions of tokenizer files, which are Oniguruma's, in .NET's dialect.</summary>
internal static class OnigurumaPattern
{
    private const string Han = @"\u2E80-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAD9";

    /// <summary>.NET has no possessive quantifiers: <c>a++</c> becomes the atomic group <c>(?>a+)</c>. Nor has it scripts.</summary>
    public static string Translate(string pattern)
    {
        StringBuilder result = new();
        Stack<int> groups = new();
        int atom = 0;
        for (int i = 0; i < pattern.Length;)
        {
            int quantifier = QuantifierLength(pattern, i);
            if (quantifier > 0)
            {
                result.Append(pattern, i, quantifier);
                i += quantifier;
                if (i < pattern.Length && pattern[i] == '+' && pattern[i - 1] != '}')
                {
                    result.Insert(atom, "(?>").Append(')');
                    i++;
                }
                continue;
            }
            int length = AtomLength(pattern, i);
            atom = pattern[i] == ')' && groups.Count > 0 ? groups.Pop() : result.Length;
            if (pattern[i] == '(')
            {
                groups.Push(atom);
            }
            result.Append(WithoutScripts(pattern.Substring(i, length)));
            i += length;
        }
        return result.ToString();
    }

    private static int QuantifierLength(string pattern, int index)
    {
        if (pattern[index] is '+' or '*' or '?')
        {
            return 1;
        }
        int close = pattern[index] == '{' ? pattern.IndexOf('}', index) : -1;
        return close < 0 ? 0 : close - index + 1;
    }

    private static int AtomLength(string pattern, int index)
    {
        int end = pattern[index] switch
        {
            '\\' => EscapeEnd(pattern, index),
            '[' => ClassEnd(pattern, index),
            '(' when index + 1 < pattern.Length && pattern[index + 1] == '?' => index + 2,
            _ => index + 1,
        };
        return Math.Min(end, pattern.Length) - index;
    }

    private static int EscapeEnd(string pattern, int index)
    {
        bool braced = index + 2 < pattern.Length && (pattern[index + 1] is 'p' or 'P' or 'x') && pattern[index + 2] == '{';
        int close = braced ? pattern.IndexOf('}', index) : -1;
        return close < 0 ? index + 2 : close + 1;
    }

    private static int ClassEnd(string pattern, int index)
    {
        int i = index + 1;
        if (i < pattern.Length && pattern[i] == '^')
        {
            i++;
        }
        for (bool first = true; i < pattern.Length && (first || pattern[i] != ']'); first = false)
        {
            i = pattern[i] == '\\' ? EscapeEnd(pattern, i) : i + 1;
        }
        return i + 1;
    }

    private static string WithoutScripts(string atom) =>
        atom.StartsWith('[') ? atom.Replace(@"\p{Han}", Han, StringComparison.Ordinal)
        : atom == @"\p{Han}" ? $"[{Han}]"
        : atom;
}
