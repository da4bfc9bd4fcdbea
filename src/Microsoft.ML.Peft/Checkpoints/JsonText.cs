using System.Text.Json;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Reading JSON that was written by others: whatever is wrong with it is an <see cref="InvalidDataException"/>.</summary>
internal static class JsonText
{
    /// <summary>Runs <paramref name="read"/> over the object that <paramref name="utf8"/> holds.</summary>
    public static T Read<T>(ReadOnlyMemory<byte> utf8, string description, Func<JsonElement, T> read)
    {
        LfsPointer.Refuse(utf8.Span, description);
        try
        {
            using var document = JsonDocument.Parse(utf8);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Malformed.File(description, "a JSON object", document.RootElement.ValueKind.ToString());
            return read(document.RootElement);
        }
        // JsonElement reports unpaired surrogates and broken UTF-8 as invalid operations, only when a string is taken out.
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw Malformed.File(description, "valid JSON", e.Message.TrimEnd('.'), e);
        }
    }

    /// <summary>A value cut to a length that fits in a message.</summary>
    public static string Excerpt(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "...";
    }
}
