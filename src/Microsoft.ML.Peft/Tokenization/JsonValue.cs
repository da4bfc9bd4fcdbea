using System.Text.Json;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A JSON element that knows where it stands, so that what is wrong with it can be named.</summary>
internal readonly struct JsonValue(JsonElement element, string file, string path)
{
    public bool IsNull => element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public bool IsText => element.ValueKind == JsonValueKind.String;

    public bool IsObject => element.ValueKind == JsonValueKind.Object;

    /// <summary>A property, null where the object lacks it.</summary>
    public JsonValue this[string name] => new(
        IsObject && element.TryGetProperty(name, out JsonElement value) ? value : default, file, $"{path}.{name}");

    /// <summary>Whether the object has a property, null included.</summary>
    public bool Has(string name) => IsObject && element.TryGetProperty(name, out _);

    public static JsonValue Read(string file) => Read(TokenizerFile.OnDisk(file));

    public static JsonValue Read(TokenizerFile source)
    {
        string file = source.Description;
        try
        {
            ReadOnlyMemory<byte> bytes = source.Read();
            bytes = bytes.Span.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
            using JsonDocument document = JsonDocument.Parse(bytes);
            return new JsonValue(document.RootElement.Clone(), file, "$");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{file}: no valid JSON: {exception.Message}", exception);
        }
    }

    public string Text()
    {
        JsonElement text = Read(JsonValueKind.String, "a string");
        return WellFormed(() => text.GetString()!);
    }

    public string Text(string missing) => IsNull ? missing : Text();

    public int Number() =>
        Read(JsonValueKind.Number, "an integer").TryGetInt32(out int value) ? value : throw Invalid("expected an integer of 32 bits");

    public int Number(int missing) => IsNull ? missing : Number();

    public int Id() => Number() is >= 0 and var id ? id : throw Invalid("a token id is not negative");

    public double Real() =>
        Read(JsonValueKind.Number, "a number").TryGetDouble(out double value) ? value : throw Invalid("expected a number");

    public bool Flag(bool missing) => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null or JsonValueKind.Undefined => missing,
        _ => throw Invalid("expected true or false"),
    };

    public char Character(char missing) => Text(missing.ToString()) is [char single] ? single : throw Invalid("expected one character");

    public IEnumerable<JsonValue> Items()
    {
        (string where, string name) = (path, file);
        return Read(JsonValueKind.Array, "an array").EnumerateArray().Select((item, i) => new JsonValue(item, name, $"{where}[{i}]"));
    }

    public IEnumerable<(string Name, JsonValue Value)> Properties()
    {
        (string where, string name) = (path, file);
        JsonValue self = this;
        return Read(JsonValueKind.Object, "an object").EnumerateObject()
            .Select(item => (self.WellFormed(() => item.Name), new JsonValue(item.Value, name, where)));
    }

    public byte[] Base64()
    {
        Read(JsonValueKind.String, "a base64 string");
        return element.TryGetBytesFromBase64(out byte[]? bytes) ? bytes : throw Invalid("expected base64");
    }

    public InvalidDataException Invalid(string problem) => new($"{file}: {path}: {problem}");

    public NotSupportedException Unsupported(string what) => new($"{file}: {path}: {what} is not supported");

    /// <summary>Runs a constructor that checks its parts, and adds the place to what it complains about.</summary>
    public T Build<T>(Func<T> construct) => Located.In($"{file}: {path}", construct);

    // Strings are decoded only when asked for, and escapes of lone surrogates come to light only then.
    private string WellFormed(Func<string> decode)
    {
        try
        {
            return decode();
        }
        catch (InvalidOperationException)
        {
            throw Invalid("holds an escape of half a character");
        }
    }

    private JsonElement Read(JsonValueKind kind, string name) => element.ValueKind == kind ? element : throw Invalid($"expected {name}");
}

/// <summary>Puts the place in front of what a part complains about, as the part itself does not know where it was read.</summary>
internal static class Located
{
    public static T In<T>(string place, Func<T> construct)
    {
        try
        {
            return construct();
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{place}: {exception.Message}", exception);
        }
    }
}
