using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Makes values of the inputs, so that a template sees nothing else.</summary>
internal static class JsonReader
{
    private const int MaxDigits = 4300;

    public static Value Read(JsonNode? node, int depth = 0) => node switch
    {
        _ when depth > Value.MaxDepth => throw new ChatTemplateException($"an input nests more than {Value.MaxDepth} deep"),
        null => NoneValue.Instance,
        JsonArray array => new ListValue([.. array.Select(item => Read(item, depth + 1))]),
        JsonObject dict => new DictValue(dict.Select(entry =>
            KeyValuePair.Create<Value, Value>(new TextValue(entry.Key), Read(entry.Value, depth + 1)))),
        _ => ReadScalar(node),
    };

    private static Value ReadScalar(JsonNode node) => node.GetValueKind() switch
    {
        JsonValueKind.True => BoolValue.True,
        JsonValueKind.False => BoolValue.False,
        JsonValueKind.Number => ReadNumber(node.GetValue<object>()),
        JsonValueKind.String => new TextValue(ReadText(node.GetValue<object>())),
        var other => throw new ChatTemplateException($"an input of kind {other}; expected JSON"),
    };

    // A number is whole where it is written so; one that the caller made is what its type says.
    private static NumberValue ReadNumber(object value)
    {
        string written = value is JsonElement element ? element.GetRawText() : Convert.ToString(value, CultureInfo.InvariantCulture)!;
        if (value is double or float or decimal || written.AsSpan().IndexOfAny(".eE") >= 0)
        {
            return new FloatValue(double.Parse(written, CultureInfo.InvariantCulture));
        }
        return written.Length <= MaxDigits
            ? new IntValue(BigInteger.Parse(written, CultureInfo.InvariantCulture))
            : throw new ChatTemplateException($"a number of an input has {written.Length} digits; expected {MaxDigits} at most");
    }

    private static string ReadText(object value)
    {
        try
        {
            return value is JsonElement element ? element.GetString()! : Convert.ToString(value, CultureInfo.InvariantCulture)!;
        }
        catch (InvalidOperationException)
        {
            throw new ChatTemplateException("a string of an input holds an escape of half a character");
        }
    }
}
