using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Peft;

/// <summary>
/// Text in the JSON of archives. JSON holds no half of a surrogate pair, which .NET's strings may: such a text is written as
/// a list of its UTF-16 units.
/// </summary>
internal sealed class AnyText : JsonConverter<string>
{
    /// <summary>For what an archive says of columns, labels and settings; a null is refused where the type does not say one.</summary>
    public static JsonSerializerOptions Options { get; } = new() { Converters = { new AnyText() }, RespectNullableAnnotations = true };

    /// <summary>Whether a text is well-formed, so that any JSON holds it.</summary>
    public static bool IsWellFormed(string text)
    {
        for (int at = 0; at < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(at), out _, out int units) != OperationStatus.Done)
                return false;
            at += units;
        }
        return true;
    }

    public override string Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.StartArray
            ? new string(Array.ConvertAll(JsonSerializer.Deserialize<ushort[]>(ref reader)!, unit => (char)unit))
            : reader.GetString()!;

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options)
    {
        if (IsWellFormed(value))
            writer.WriteStringValue(value);
        else
            JsonSerializer.Serialize(writer, Array.ConvertAll(value.ToCharArray(), unit => (ushort)unit));
    }
}
