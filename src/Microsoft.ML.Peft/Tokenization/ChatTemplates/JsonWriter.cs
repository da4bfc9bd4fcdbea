using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Python's json.dumps.</summary>
internal sealed class JsonWriter(TextBuilder text, bool ascii, string? indent, string itemSeparator, string keySeparator, bool sorted)
{
    public void Write(Value value, int level = 0)
    {
        switch (value)
        {
            case NoneValue:
                text.Append("null");
                break;
            case BoolValue:
                text.Append(value.IsTrue ? "true" : "false");
                break;
            case IntValue whole:
                whole.WriteText(text);
                break;
            case FloatValue real:
                text.Append(Real(real.Real));
                break;
            case TextValue content:
                text.Append(Quote(content.Content));
                break;
            case ListValue { Kind: ListKind.List or ListKind.Tuple } list:
                WriteAll('[', ']', list.Elements(), level, item => Write(item, level + 1));
                break;
            case DictValue dict:
                WriteAll('{', '}', sorted ? [.. dict.Entries.OrderBy(entry => Key(entry.Key), Comparer<string>.Create(Characters32.Compare))] : dict.Entries, level, entry =>
                {
                    text.Append(Quote(Key(entry.Key))).Append(keySeparator);
                    Write(entry.Value, level + 1);
                });
                break;
            default:
                throw new ChatTemplateException($"Object of type {value.Type} is not JSON serializable{(value is UndefinedValue undefined ? $": {undefined.Message}" : "")}");
        }
    }

    private void WriteAll<T>(char open, char close, IReadOnlyList<T> items, int level, Action<T> write)
    {
        text.Append([open]);
        for (int i = 0; i < items.Count; i++)
        {
            text.Append(i > 0 ? itemSeparator : "");
            NewLine(level + 1);
            write(items[i]);
        }
        if (items.Count > 0)
        {
            NewLine(level);
        }
        text.Append([close]);
    }

    private void NewLine(int level)
    {
        if (indent is null)
        {
            return;
        }
        text.Append("\n");
        for (int i = 0; i < level; i++)
        {
            text.Append(indent);
        }
    }

    private static string Key(Value key) => key switch
    {
        TextValue content => content.Content,
        NoneValue => "null",
        BoolValue => key.IsTrue ? "true" : "false",
        NumberValue { Whole: { } whole } => PythonNumber.Text(whole),
        NumberValue number => Real(number.Real),
        _ => throw new ChatTemplateException($"keys must be str, int, float, bool or None, not {key.Type}"),
    };

    private static string Real(double value) =>
        double.IsFinite(value) ? PythonNumber.Text(value) : double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";

    private string Quote(string content)
    {
        StringBuilder quoted = new StringBuilder(content.Length + 2).Append('"');
        foreach (char c in content)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                '\f' => quoted.Append("\\f"),
                '\b' => quoted.Append("\\b"),
                _ when c < ' ' || ascii && c > '~' => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => quoted.Append(c),
            };
        }
        return quoted.Append('"').ToString();
    }
}
