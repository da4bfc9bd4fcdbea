namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What stands behind <c>|</c>, by name.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Method<Value>> All = new(
        [.. TextFilters.All, .. ValueFilters.All, .. ListFilters.All, .. PickFilters.All]);

    public static Value Apply(string name, Value value, Arguments arguments) =>
        All.TryGetValue(name, out Method<Value>? filter)
            ? filter.Call(name, value, arguments)
            : throw new ChatTemplateException($"no filter named '{name}'");

    public static bool Has(string name) => All.ContainsKey(name);

    public static ChatTemplateException Unsuited(string filter, Value value) =>
        (value as UndefinedValue)?.Error() ?? new ChatTemplateException($"'{filter}' is not made for '{value.Type}'");
}
