namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>A dictionary that keeps the order of its entries.</summary>
internal sealed class DictValue : Value
{
    private readonly Dictionary<object, int> _index = [];
    private readonly List<KeyValuePair<Value, Value>> _entries = [];

    /// <summary>Of several entries with one key, the last wins, at the first one's place.</summary>
    public DictValue(IEnumerable<KeyValuePair<Value, Value>> entries)
    {
        foreach (KeyValuePair<Value, Value> entry in entries)
        {
            object key = Key(entry.Key) ?? throw new ChatTemplateException($"a value of type '{entry.Key.Type}' cannot be the key of a dictionary");
            if (_index.TryGetValue(key, out int at))
            {
                _entries[at] = new(_entries[at].Key, entry.Value);
            }
            else
            {
                _index[key] = _entries.Count;
                _entries.Add(entry);
            }
        }
        Depth = DepthOver(_entries.Select(entry => entry.Value));
    }

    public IReadOnlyList<KeyValuePair<Value, Value>> Entries => _entries;

    public override string Type => "dict";

    public override int Depth { get; }

    public override bool IsTrue => _entries.Count > 0;

    public override int? Length => _entries.Count;

    public override IReadOnlyList<Value> Elements() => [.. _entries.Select(entry => entry.Key)];

    public override Value? Item(Value key) => Key(key) is { } found && _index.TryGetValue(found, out int at) ? _entries[at].Value : null;

    public override Value? Attribute(string name) =>
        Methods.TryGetValue(name, out Method<DictValue>? method) ? new BoundMethod<DictValue>(name, this, method) : null;

    public ListValue Items() => new([.. _entries.Select(Pair)], ListKind.View);

    public override void WriteRepr(TextBuilder text)
    {
        text.Append("{");
        for (int i = 0; i < _entries.Count; i++)
        {
            text.Append(i > 0 ? ", " : "");
            _entries[i].Key.WriteRepr(text);
            text.Append(": ");
            _entries[i].Value.WriteRepr(text);
        }
        text.Append("}");
    }

    public static ListValue Pair(KeyValuePair<Value, Value> entry) => new([entry.Key, entry.Value], ListKind.Tuple);

    // Numbers that are equal are one key, whatever their type.
    private static object? Key(Value value) => value switch
    {
        TextValue text => text.Content,
        NumberValue { Whole: { } whole } => whole,
        NumberValue number => Math.Floor(number.Real) == number.Real && double.IsFinite(number.Real) ? new System.Numerics.BigInteger(number.Real) : number.Real,
        NoneValue => NoneValue.Instance,
        _ => null,
    };

    private static readonly Dictionary<string, Method<DictValue>> Methods = new()
    {
        ["get"] = new("key default?", (dict, a) => dict.Item(a[0]!) ?? a[1] ?? NoneValue.Instance),
        ["items"] = new("", (dict, _) => dict.Items()),
        ["keys"] = new("", (dict, _) => new ListValue(dict.Elements(), ListKind.View)),
        ["values"] = new("", (dict, _) => new ListValue([.. dict._entries.Select(entry => entry.Value)], ListKind.View)),
        ["copy"] = new("", (dict, _) => dict),
    };
}

/// <summary>What <c>namespace()</c> makes: the one thing whose attributes a template sets, also from within a loop.</summary>
internal sealed class NamespaceValue(IEnumerable<KeyValuePair<string, Value>> attributes) : Value
{
    private readonly Dictionary<string, Value> _attributes = new(attributes.DistinctBy(entry => entry.Key));

    public override string Type => "Namespace";

    public override Value? Attribute(string name) => _attributes.GetValueOrDefault(name);

    public override Value? Item(Value key) => key is TextValue name ? Attribute(name.Content) : null;

    public void Set(string name, Value value) => _attributes[name] = value;
}
