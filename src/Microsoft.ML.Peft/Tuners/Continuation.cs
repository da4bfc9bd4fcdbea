using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>
/// Options beside an adapter that a fit starts from. What is left at its default is the adapter's. What says how the update is trained
/// counts as given; what says what the adapter is must be what it is.
/// </summary>
internal static class Continuation
{
    private static readonly JsonSerializerOptions s_names = new() { Converters = { new JsonStringEnumConverter() } };

    /// <param name="given">The options beside the adapter.</param>
    /// <param name="adapter">The adapter's settings, which become those of the fit.</param>
    /// <param name="path">Where the adapter lies.</param>
    /// <param name="ofTraining">Names of the options that say how it is trained.</param>
    /// <exception cref="ArgumentException">An option contradicts the adapter; the message names each that does.</exception>
    public static T Of<T>(T given, T adapter, string path, params string[] ofTraining)
        where T : TunerOptions, new()
    {
        var usual = new T();
        List<string> contradictions = [];
        foreach (PropertyInfo option in typeof(T).GetProperties())
        {
            JsonNode? wanted = Json(given), found = Json(adapter);
            if (JsonNode.DeepEquals(wanted, Json(usual)))
                continue;
            if (ofTraining.Contains(option.Name))
                option.SetValue(adapter, option.GetValue(given));
            else if (!JsonNode.DeepEquals(wanted, found))
                contradictions.Add($"{option.Name} is {wanted?.ToJsonString()}, the adapter's {found?.ToJsonString() ?? "null"}");

            JsonNode? Json(T options) => Sorted(JsonSerializer.SerializeToNode(option.GetValue(options), option.PropertyType, s_names));
        }
        return contradictions.Count == 0 ? adapter : throw new ArgumentException(
            $"{typeof(T).Name} contradict the adapter in '{path}', which the fit starts from: {string.Join("; ", contradictions)}. Leave them at their defaults.",
            nameof(FineTuneOptions.AdapterFolder));
    }

    // The order of a list says nothing.
    private static JsonNode? Sorted(JsonNode? node) => node is JsonArray list
        ? new JsonArray([.. list.OrderBy(item => item!.ToJsonString(), StringComparer.Ordinal).Select(item => item!.DeepClone())])
        : node;
}
