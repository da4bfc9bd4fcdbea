using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Data;

/// <summary>An input processor by its stable key.</summary>
/// <param name="Key">The key.</param>
/// <param name="Type">The processor.</param>
/// <param name="Restore">Makes one of its settings and files.</param>
internal sealed record ProcessorEntry(string Key, Type Type, Func<JsonObject, IReadOnlyDictionary<string, byte[]>, InputProcessor> Restore)
    : Registered(Key, Type);

/// <summary>Finds an input processor by the key in an archive.</summary>
internal static class ProcessorRegistry
{
    public const string Kind = "input processor";

    public static void AddProcessor<T>(this Registry registry, string key, Func<JsonObject, IReadOnlyDictionary<string, byte[]>, T> restore)
        where T : InputProcessor => registry.Add(new ProcessorEntry(key, typeof(T), restore));
}
