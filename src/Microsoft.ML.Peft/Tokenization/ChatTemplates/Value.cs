namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>
/// What a template can hold: a closed set of values made from the inputs. They are immutable, as in the sandbox that transformers
/// renders in, but for the namespace; so no value contains itself, and nothing but the inputs can be reached.
/// </summary>
internal abstract class Value
{
    /// <summary>How deeply values may contain one another.</summary>
    public const int MaxDepth = 200;

    /// <summary>Python's name of the type, for messages.</summary>
    public abstract string Type { get; }

    /// <summary>How many levels of values lie within.</summary>
    public virtual int Depth => 0;

    public virtual bool IsTrue => true;

    public virtual int? Length => null;

    public virtual bool IsCallable => false;

    /// <summary>The attribute, null where there is none.</summary>
    public virtual Value? Attribute(string name) => null;

    /// <summary>The element, null where there is none.</summary>
    public virtual Value? Item(Value key) => null;

    /// <summary>The elements in order, null where there are none to iterate over.</summary>
    public virtual IReadOnlyList<Value>? Elements() => null;

    public virtual Value Call(Arguments arguments) => throw new ChatTemplateException($"'{Type}' object is not callable");

    /// <summary>As Python's repr.</summary>
    public virtual void WriteRepr(TextBuilder text) => text.Append($"<{Type}>");

    /// <summary>As Python's str.</summary>
    public virtual void WriteText(TextBuilder text) => WriteRepr(text);

    public IReadOnlyList<Value> Iterate(Rendering rendering)
    {
        IReadOnlyList<Value> elements = Elements() ?? throw new ChatTemplateException($"'{Type}' object is not iterable");
        rendering.Step(elements.Count);
        return elements;
    }

    protected static int DepthOver(IEnumerable<Value> children)
    {
        int depth = 1 + children.Select(child => child.Depth).DefaultIfEmpty().Max();
        return depth <= MaxDepth ? depth : throw new ChatTemplateException($"values nest more than {MaxDepth} deep");
    }
}

internal sealed class NoneValue : Value
{
    public static readonly NoneValue Instance = new();

    public override string Type => "NoneType";

    public override bool IsTrue => false;

    public override void WriteRepr(TextBuilder text) => text.Append("None");
}

/// <summary>What a name or attribute is that is not there: prints as nothing, but nothing can be got from it.</summary>
internal sealed class UndefinedValue(string message) : Value
{
    public string Message => message;

    public override string Type => "Undefined";

    public override bool IsTrue => false;

    public override int? Length => 0;

    public override Value Attribute(string name) => throw Error();

    public override Value Item(Value key) => throw Error();

    public override IReadOnlyList<Value> Elements() => [];

    public override Value Call(Arguments arguments) => throw Error();

    public override void WriteRepr(TextBuilder text) => text.Append("Undefined");

    public override void WriteText(TextBuilder text)
    {
    }

    public ChatTemplateException Error() => new(message);

    public static UndefinedValue Name(string name) => new($"'{name}' is undefined");

    public static UndefinedValue Missing(Value of, Value key, Rendering rendering) => new(key is TextValue
        ? $"'{Describe(of)}' has no attribute {rendering.Repr(key)}"
        : $"{Describe(of)} has no element {rendering.Repr(key)}");

    private static string Describe(Value of) => of is NoneValue ? "None" : $"{of.Type} object";
}
