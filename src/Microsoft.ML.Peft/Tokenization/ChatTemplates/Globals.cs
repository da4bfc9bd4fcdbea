using System.Numerics;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>The functions that every template knows: Jinja's, and the two that transformers adds.</summary>
internal static class Globals
{
    private const int MaxRange = 100_000;

    public static readonly Dictionary<string, Value> All = new()
    {
        ["range"] = FunctionValue.Of("range", "start stop? step?", Range),
        ["dict"] = new FunctionValue("dict", a => new DictValue(
            [.. a.Positional.SelectMany(value => Entries(value, a.Rendering)), .. a.Named.Select(entry => KeyValuePair.Create<Value, Value>(new TextValue(entry.Key), entry.Value))])),
        ["namespace"] = new FunctionValue("namespace", a => new NamespaceValue(
            [.. a.Named, .. a.Positional.SelectMany(value => Entries(value, a.Rendering)).Select(entry => KeyValuePair.Create(a.Rendering.Text(entry.Key), entry.Value))])),
        ["cycler"] = new FunctionValue("cycler", a => Cycler([.. a.Positional])),
        ["joiner"] = FunctionValue.Of("joiner", "sep?", a => Joiner(a.Text(0, ", "))),
        ["raise_exception"] = FunctionValue.Of("raise_exception", "message", a => throw new ChatTemplateException(a.Rendering.Text(a[0]!))),
        ["strftime_now"] = FunctionValue.Of("strftime_now", "format", a => new TextValue(Strftime.Format(a.Text(0), a.Rendering.Now))),
    };

    private static IEnumerable<KeyValuePair<Value, Value>> Entries(Value value, Rendering rendering) => value is DictValue dict
        ? dict.Entries
        : value.Iterate(rendering).Select(pair => pair.Iterate(rendering) is [var key, var item]
            ? KeyValuePair.Create(key, item)
            : throw new ChatTemplateException("expected pairs of key and value"));

    private static ListValue Range(BoundArguments a)
    {
        BigInteger start = a[1] is null ? 0 : a.Int(0);
        BigInteger stop = a[1] is null ? a.Int(0) : a.Int(1);
        BigInteger step = a.Int(2, 1);
        if (step.IsZero)
        {
            throw new ChatTemplateException("range() arg 3 must not be zero");
        }
        BigInteger count = BigInteger.Max(0, (stop - start + step - step.Sign) / step);
        if (count > MaxRange)
        {
            throw new ChatTemplateException($"range too big; the most is {MaxRange}");
        }
        return new ListValue([.. Enumerable.Range(0, (int)count).Select(i => new IntValue(start + i * step))], ListKind.Range);
    }

    private static FunctionValue Cycler(Value[] items)
    {
        if (items.Length == 0)
        {
            throw new ChatTemplateException("at least one item has to be provided");
        }
        int at = 0;
        return new FunctionValue("Cycler", _ => throw new ChatTemplateException("'Cycler' object is not callable"), new Dictionary<string, Func<Value>>
        {
            ["current"] = () => items[at],
            ["next"] = () => FunctionValue.Of("next", "", _ =>
            {
                Value item = items[at];
                at = (at + 1) % items.Length;
                return item;
            }),
            ["reset"] = () => FunctionValue.Of("reset", "", _ =>
            {
                at = 0;
                return NoneValue.Instance;
            }),
        });
    }

    private static FunctionValue Joiner(string separator)
    {
        bool used = false;
        return FunctionValue.Of("Joiner", "", _ =>
        {
            (bool before, used) = (used, true);
            return new TextValue(before ? separator : "");
        });
    }
}
