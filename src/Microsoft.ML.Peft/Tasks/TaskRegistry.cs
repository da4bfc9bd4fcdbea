using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Finds a task by the key in an archive.</summary>
internal static class TaskRegistry
{
    private static readonly KeyedTypes<PeftTask> Known = new(task => task.Key);

    /// <exception cref="InvalidDataException">The key or the JSON is not known.</exception>
    public static PeftTask FromJson(string key, JsonObject json) => Known.Deserialize("task", key, json);
}
