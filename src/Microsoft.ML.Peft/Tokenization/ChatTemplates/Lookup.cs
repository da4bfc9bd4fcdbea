namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What <c>a.b</c> and <c>a[b]</c> find: the one looks for attributes first, the other for elements.</summary>
internal static class Lookup
{
    public static Value Attribute(Value of, string name, Rendering rendering)
    {
        TextValue key = new(name);
        return of.Attribute(name) ?? of.Item(key) ?? UndefinedValue.Missing(of, key, rendering);
    }

    public static Value Item(Value of, Value key, Rendering rendering) =>
        of.Item(key) ?? (key as TextValue is { } name ? of.Attribute(name.Content) : null) ?? UndefinedValue.Missing(of, key, rendering);

    /// <summary>Follows a path such as "function.name" or "0.name", as filters take it; what is missing on the way may have a stand-in.</summary>
    public static Value Path(Value of, Value path, Rendering rendering, Value? missing = null)
    {
        IEnumerable<Value> keys = path is TextValue text
            ? text.Content.Split('.').Select(part => int.TryParse(part, out int index) && index >= 0 ? (Value)new IntValue(index) : new TextValue(part))
            : [path];
        foreach (Value key in keys)
        {
            of = Item(of, key, rendering) is var found && found is UndefinedValue && missing is not (null or NoneValue) ? missing : found;
        }
        return of;
    }

    public static Value Slice(Value of, int? start, int? stop, int? step, Rendering rendering)
    {
        if (step == 0)
        {
            throw new ChatTemplateException("slice step cannot be zero");
        }
        if (of is TextValue text)
        {
            rendering.PayText(text.Content.Length);
            return new TextValue(Characters32.Pick(text.Content, SliceRange.Of(start, stop, step, Characters32.Length(text.Content))), text.Safe);
        }
        if (of is ListValue { Kind: not ListKind.View } list)
        {
            IReadOnlyList<Value> items = list.Elements();
            SliceRange range = SliceRange.Of(start, stop, step, items.Count);
            rendering.Step(range.Count);
            return new ListValue([.. range.Indices().Select(i => items[i])], list.Kind);
        }
        throw (of as UndefinedValue)?.Error() ?? new ChatTemplateException($"'{of.Type}' object cannot be sliced");
    }
}
