namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Filters that run another filter or a test on each element.</summary>
internal static class PickFilters
{
    public static readonly Dictionary<string, Method<Value>> All = new()
    {
        ["map"] = new("*", Map),
        ["select"] = Pick(byAttribute: false, wanted: true),
        ["reject"] = Pick(byAttribute: false, wanted: false),
        ["selectattr"] = Pick(byAttribute: true, wanted: true),
        ["rejectattr"] = Pick(byAttribute: true, wanted: false),
    };

    private static GeneratorValue Map(Value value, BoundArguments a)
    {
        Arguments all = a.All;
        if (all.Positional.Count == 0 && Named(all, "attribute") is { } attribute)
        {
            Value? missing = Named(all, "default");
            return Each(value, a, item => Lookup.Path(item, attribute, a.Rendering, missing));
        }
        string filter = Name(all, 0, "map", "a filter");
        Arguments rest = all with { Positional = [.. all.Positional.Skip(1)] };
        return Each(value, a, item => Filters.Apply(filter, item, rest));
    }

    private static GeneratorValue Each(Value value, BoundArguments a, Func<Value, Value> map) => new([.. value.Iterate(a.Rendering).Select(map)]);

    private static Method<Value> Pick(bool byAttribute, bool wanted) => new("*", (value, a) =>
    {
        Arguments all = a.All;
        int first = byAttribute ? 1 : 0;
        Value? attribute = !byAttribute ? null : all.Positional.Count > 0 ? all.Positional[0] : throw new ChatTemplateException("missing parameter for attribute name");
        string? test = all.Positional.Count > first ? Name(all, first, "select", "a test") : null;
        Arguments rest = all with { Positional = [.. all.Positional.Skip(first + 1)] };
        return new GeneratorValue([.. value.Iterate(a.Rendering).Where(item => Holds(item) == wanted)]);

        bool Holds(Value item)
        {
            Value tested = attribute is null ? item : Lookup.Path(item, attribute, a.Rendering);
            return test is null ? tested.IsTrue : Tests.Holds(test, tested, rest);
        }
    });

    private static Value? Named(Arguments arguments, string name) =>
        arguments.Named.Where(entry => entry.Key == name).Select(entry => entry.Value).FirstOrDefault();

    private static string Name(Arguments arguments, int index, string filter, string expected) =>
        (arguments.Positional.ElementAtOrDefault(index) as TextValue)?.Content
        ?? throw new ChatTemplateException($"'{filter}': expected the name of {expected}");
}
