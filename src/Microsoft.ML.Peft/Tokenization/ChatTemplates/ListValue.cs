namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

internal enum ListKind
{
    List,
    Tuple,
    Range,

    /// <summary>The keys, values or items of a dictionary: a list that has no elements by number.</summary>
    View,
}

internal sealed class ListValue : Value
{
    private readonly IReadOnlyList<Value> _items;

    public ListValue(IReadOnlyList<Value> items, ListKind kind = ListKind.List)
    {
        (_items, Kind) = (items, kind);
        Depth = DepthOver(items);
    }

    public ListKind Kind { get; }

    public override string Type => Kind switch
    {
        ListKind.Tuple => "tuple",
        ListKind.Range => "range",
        ListKind.View => "dict_items",
        _ => "list",
    };

    public override int Depth { get; }

    public override bool IsTrue => _items.Count > 0;

    public override int? Length => _items.Count;

    public override IReadOnlyList<Value> Elements() => _items;

    public override Value? Attribute(string name) =>
        Kind != ListKind.View && Methods.TryGetValue(name, out Method<ListValue>? method) ? new BoundMethod<ListValue>(name, this, method) : null;

    public override Value? Item(Value key)
    {
        if (Kind == ListKind.View || key is not NumberValue { Whole: { } index })
        {
            return null;
        }
        index += index.Sign < 0 ? _items.Count : 0;
        return index >= 0 && index < _items.Count ? _items[(int)index] : null;
    }

    public override void WriteRepr(TextBuilder text)
    {
        if (Kind == ListKind.Range)
        {
            WriteRange(text);
            return;
        }
        text.Append(Kind switch { ListKind.Tuple => "(", ListKind.View => "dict_items([", _ => "[" });
        for (int i = 0; i < _items.Count; i++)
        {
            text.Append(i > 0 ? ", " : "");
            _items[i].WriteRepr(text);
        }
        text.Append(Kind switch { ListKind.Tuple => _items.Count == 1 ? ",)" : ")", ListKind.View => "])", _ => "]" });
    }

    private void WriteRange(TextBuilder text)
    {
        NumberValue start = (NumberValue)_items.DefaultIfEmpty(new IntValue(0)).First();
        NumberValue step = new IntValue(_items.Count > 1 ? ((NumberValue)_items[1]).Whole!.Value - start.Whole!.Value : 1);
        text.Append($"range({start.Whole}, {start.Whole + step.Whole * _items.Count}{(step.Whole == 1 ? "" : $", {step.Whole}")})");
    }

    private static readonly Dictionary<string, Method<ListValue>> Methods = new()
    {
        ["count"] = new("value", (list, a) => new IntValue(list._items.Count(item => Operators.Same(item, a[0]!, a.Rendering)))),
        ["index"] = new("value", (list, a) =>
        {
            for (int i = 0; i < list._items.Count; i++)
            {
                if (Operators.Same(list._items[i], a[0]!, a.Rendering))
                {
                    return new IntValue(i);
                }
            }
            throw new ChatTemplateException($"{a.Rendering.Repr(a[0]!)} is not in list");
        }),
        ["copy"] = new("", (list, _) => list),
    };
}

/// <summary>What filters such as <c>select</c> answer: it can be gone through once.</summary>
internal sealed class GeneratorValue(IReadOnlyList<Value> items) : Value
{
    private IReadOnlyList<Value> _items = items;

    public override string Type => "generator";

    public override int Depth { get; } = DepthOver(items);

    public override IReadOnlyList<Value> Elements()
    {
        IReadOnlyList<Value> items = _items;
        _items = [];
        return items;
    }
}
