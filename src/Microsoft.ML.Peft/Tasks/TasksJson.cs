using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Tasks in the JSON of an archive: each by its key, its assembly and its settings.</summary>
internal sealed class TasksJson : JsonConverter<IReadOnlyDictionary<string, PeftTask>>
{
    public override IReadOnlyDictionary<string, PeftTask> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var tasks = new Dictionary<string, PeftTask>(StringComparer.Ordinal);
        foreach (var (name, saved) in JsonSerializer.Deserialize<Dictionary<string, Saved?>>(ref reader, options) ?? throw new JsonException("there are no tasks"))
        {
            PeftTask? task = saved is null ? null : TaskRegistry.FromJson(saved.Key, saved.Settings, saved.Assembly);
            tasks[name] = task is { SharesModel: true } ? task : throw new JsonException($"'{name}' is no task that shares a model");
        }
        return tasks;
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyDictionary<string, PeftTask> value, JsonSerializerOptions options) =>
        JsonSerializer.Serialize(writer, value.ToDictionary(part => part.Key, part => new Saved(part.Value.Key, part.Value.Entry.Assembly, part.Value.ToJson())), options);

    private sealed record Saved(string Key, string Assembly, JsonObject Settings);
}
