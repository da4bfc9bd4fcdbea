namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Filters on whole sequences and dictionaries.</summary>
internal static class ListFilters
{
    public static readonly Dictionary<string, Method<Value>> All = new()
    {
        ["length"] = Length(),
        ["count"] = Length(),
        ["first"] = new("", (value, a) => value.Iterate(a.Rendering).FirstOrDefault() ?? new UndefinedValue("no first item, the sequence is empty")),
        ["last"] = new("", (value, a) => Reversible("last", value, a).LastOrDefault() ?? new UndefinedValue("no last item, the sequence is empty")),
        ["list"] = new("", (value, a) => new ListValue(value.Iterate(a.Rendering))),
        ["items"] = new("", (value, _) => value switch
        {
            UndefinedValue => new GeneratorValue([]),
            DictValue dict => new GeneratorValue([.. dict.Entries.Select(DictValue.Pair)]),
            _ => throw new ChatTemplateException("can only get item pairs from a mapping"),
        }),
        ["join"] = new("d? attribute?", (value, a) => new TextValue(TextMethods.Join(
            a[0] is { } separator ? a.Rendering.Text(separator) : "",
            [.. Column(value, a, 1).Select(item => new TextValue(a.Rendering.Text(item)))], a.Rendering))),
        ["reverse"] = new("", (value, a) => value is TextValue
            ? Lookup.Slice(value, null, null, -1, a.Rendering)
            : new GeneratorValue([.. Reversible("reverse", value, a).Reverse()])),
        ["sort"] = new("reverse? case_sensitive? attribute?", (value, a) =>
            new ListValue(Sorted(value.Iterate(a.Rendering), item => Keys(item, a[2], a.Flag(1), a.Rendering), a.Flag(0), a.Rendering))),
        ["dictsort"] = new("case_sensitive? by? reverse?", DictSort),
        ["unique"] = new("case_sensitive? attribute?", Unique),
        ["min"] = Extreme(-1),
        ["max"] = Extreme(1),
        ["sum"] = new("attribute? start?", (value, a) => Column(value, a, 0).Aggregate(
            a[1] ?? new IntValue(0), (sum, item) => Operators.Binary["+"](sum, item, a.Rendering))),
        ["groupby"] = new("attribute default? case_sensitive?", GroupBy),
        ["batch"] = new("linecount fill_with?", (value, a) => new GeneratorValue(
            [.. value.Iterate(a.Rendering).Chunk(Positive(a.Int(0))).Select(part => Filled(part, a.Int(0), a[1], a.Rendering))])),
        ["slice"] = new("slices fill_with?", Slices),
    };

    private static Method<Value> Length() => new("", (value, _) =>
        new IntValue(value.Length ?? throw new ChatTemplateException($"object of type '{value.Type}' has no len()")));

    private static IReadOnlyList<Value> Reversible(string filter, Value value, BoundArguments a) =>
        value is GeneratorValue ? throw Filters.Unsuited(filter, value) : value.Iterate(a.Rendering);

    private static IEnumerable<Value> Column(Value value, BoundArguments a, int attribute)
    {
        IReadOnlyList<Value> items = value.Iterate(a.Rendering);
        return a.IsGiven(attribute) ? items.Select(item => Lookup.Path(item, a[attribute]!, a.Rendering)) : items;
    }

    private static Value Folded(Value value, bool caseSensitive) =>
        value is TextValue text && !caseSensitive ? new TextValue(TextMethods.Lower(text.Content)) : value;

    /// <summary>What an item is ordered by: itself, or one or more of its attributes.</summary>
    private static ListValue Keys(Value item, Value? attributes, bool caseSensitive, Rendering rendering) => new(attributes switch
    {
        null or NoneValue => [Folded(item, caseSensitive)],
        TextValue names => [.. names.Content.Split(',').Select(name => Folded(Lookup.Path(item, new TextValue(name), rendering), caseSensitive))],
        _ => [Folded(Lookup.Path(item, attributes, rendering), caseSensitive)],
    });

    private static IReadOnlyList<Value> Sorted(IEnumerable<Value> items, Func<Value, Value> key, bool reverse, Rendering rendering)
    {
        (Value Key, Value Item)[] keyed = [.. items.Select(item => (key(item), item))];
        Comparer<Value> order = Comparer<Value>.Create((a, b) => Operators.Compare("<", a, b, rendering));
        try
        {
            return [.. (reverse ? keyed.OrderByDescending(pair => pair.Key, order) : keyed.OrderBy(pair => pair.Key, order)).Select(pair => pair.Item)];
        }
        catch (InvalidOperationException wrapped) when (wrapped.InnerException is ChatTemplateException reason)
        {
            throw new ChatTemplateException(reason.Reason);
        }
    }

    private static ListValue DictSort(Value value, BoundArguments a)
    {
        DictValue dict = value as DictValue ?? throw Filters.Unsuited("dictsort", value);
        int by = a.Text(1, "key") switch
        {
            "key" => 0,
            "value" => 1,
            var other => throw new ChatTemplateException($"'dictsort': expected by 'key' or 'value', found '{other}'"),
        };
        return new ListValue(Sorted(dict.Entries.Select(DictValue.Pair), pair => Folded(pair.Elements()![by], a.Flag(0)), a.Flag(2), a.Rendering));
    }

    private static GeneratorValue Unique(Value value, BoundArguments a)
    {
        List<Value> keys = [];
        List<Value> items = [];
        foreach (Value item in value.Iterate(a.Rendering))
        {
            Value key = Folded(a.IsGiven(1) ? Lookup.Path(item, a[1]!, a.Rendering) : item, a.Flag(0));
            if (!keys.Exists(seen => Operators.Same(seen, key, a.Rendering)))
            {
                keys.Add(key);
                items.Add(item);
            }
        }
        return new GeneratorValue(items);
    }

    private static Method<Value> Extreme(int sign) => new("case_sensitive? attribute?", (value, a) =>
    {
        Value? best = null;
        foreach (Value item in value.Iterate(a.Rendering))
        {
            best = best is null || Operators.Compare(sign < 0 ? "<" : ">", Key(item), Key(best), a.Rendering) * sign > 0 ? item : best;
        }
        return best ?? new UndefinedValue("no aggregated item, the sequence is empty");
        Value Key(Value item) => Folded(a.IsGiven(1) ? Lookup.Path(item, a[1]!, a.Rendering) : item, a.Flag(0));
    });

    private static ListValue GroupBy(Value value, BoundArguments a)
    {
        Value Key(Value item) => Lookup.Path(item, a[0]!, a.Rendering, a[1]);
        Value Order(Value item) => Folded(Key(item), a.Flag(2));
        List<Value> groups = [];
        List<Value> members = [];
        IReadOnlyList<Value> sorted = Sorted(value.Iterate(a.Rendering), Order, reverse: false, a.Rendering);
        for (int i = 0; i < sorted.Count; i++)
        {
            members.Add(sorted[i]);
            if (i + 1 == sorted.Count || !Operators.Same(Order(sorted[i]), Order(sorted[i + 1]), a.Rendering))
            {
                groups.Add(new GroupValue(Key(members[0]), new ListValue(members)));
                members = [];
            }
        }
        return new ListValue(groups);
    }

    private static GeneratorValue Slices(Value value, BoundArguments a)
    {
        IReadOnlyList<Value> items = value.Iterate(a.Rendering);
        int count = Positive(a.Int(0));
        a.Rendering.Step(count);
        (int each, int longer) = Math.DivRem(items.Count, count);
        List<Value> slices = [];
        for (int i = 0, at = 0; i < count; i++)
        {
            int size = each + (i < longer ? 1 : 0);
            Value[] part = [.. items.Skip(at).Take(size)];
            slices.Add(Filled(part, a.IsGiven(1) && i >= longer ? part.Length + 1 : part.Length, a[1], a.Rendering));
            at += size;
        }
        return new GeneratorValue(slices);
    }

    private static ListValue Filled(Value[] part, int size, Value? fill, Rendering rendering)
    {
        int missing = fill is null or NoneValue ? 0 : Math.Max(0, size - part.Length);
        rendering.Step(missing);
        return new ListValue([.. part, .. Enumerable.Repeat(fill!, missing)]);
    }

    private static int Positive(int count) => count > 0 ? count : throw new ChatTemplateException($"expected a number above 0, found {count}");
}

/// <summary>A group that <c>groupby</c> makes: a pair whose halves have names.</summary>
internal sealed class GroupValue(Value grouper, ListValue list) : Value
{
    private readonly ListValue _pair = new([grouper, list], ListKind.Tuple);

    public override string Type => "tuple";

    public override int Depth => _pair.Depth;

    public override int? Length => 2;

    public override Value? Attribute(string name) => name switch
    {
        "grouper" => grouper,
        "list" => list,
        _ => null,
    };

    public override Value? Item(Value key) => _pair.Item(key);

    public override IReadOnlyList<Value> Elements() => _pair.Elements();

    public override void WriteRepr(TextBuilder text) => _pair.WriteRepr(text);
}
