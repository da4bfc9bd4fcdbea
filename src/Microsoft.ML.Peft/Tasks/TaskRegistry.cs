using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A task by its stable key.</summary>
internal sealed record TaskEntry(string Key, Type Type) : RegisteredSettings(Key, Type)
{
    /// <exception cref="InvalidDataException">The JSON does not fit.</exception>
    public PeftTask Read(JsonObject json) => (PeftTask)Read(TaskRegistry.Kind, json);
}

/// <summary>Finds a task by the key in an archive.</summary>
internal static class TaskRegistry
{
    public const string Kind = "task";

    public static void AddTask<T>(this Registry registry, string key)
        where T : PeftTask => registry.Add(new TaskEntry(key, typeof(T)));

    /// <exception cref="InvalidDataException">The key or the JSON is not known.</exception>
    /// <exception cref="FileNotFoundException">The assembly is not there.</exception>
    public static PeftTask FromJson(string key, JsonObject json, string assembly = Registries.Library) =>
        Registries.Shared.Find<TaskEntry>(Kind, key, assembly).Read(json);
}
