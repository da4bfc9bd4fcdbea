namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

internal sealed class ForStatement(
    int line, Target target, Expression items, Expression? condition, bool recursive, Block body, Block? otherwise) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        Loop(frame, items.Evaluate(frame), 0);
        return Flow.Next;
    }

    private void Loop(Frame frame, Value over, int depth)
    {
        IReadOnlyList<Value> elements = over.Iterate(frame.Rendering);
        if (condition is not null)
        {
            elements = [.. elements.Where(element => Passes(frame.Inner(), element))];
        }
        LoopValue loop = new(elements, depth, recursive ? (inner, rendering) => Recurse(frame, inner, depth + 1) : null);
        for (; loop.Index < elements.Count; loop.Index++)
        {
            Frame inner = frame.Inner();
            inner.Scope.Set("loop", loop);
            target.Assign(inner, elements[loop.Index]);
            if (body.Execute(inner) == Flow.Break)
            {
                break;
            }
        }
        if (elements.Count == 0)
        {
            otherwise?.Execute(frame.Inner());
        }
    }

    private bool Passes(Frame inner, Value element)
    {
        target.Assign(inner, element);
        return condition!.Evaluate(inner).IsTrue;
    }

    private TextValue Recurse(Frame frame, Value over, int depth) => frame.Rendering.Call("loop", () =>
    {
        Frame capture = frame.Capture(frame.Scope);
        Loop(capture, over, depth);
        return new TextValue(capture.Output.ToString());
    });
}

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class LoopValue(IReadOnlyList<Value> items, int depth, Func<Value, Rendering, Value>? recurse) : Value
{
    private IReadOnlyList<Value>? _changed;

    public int Index { get; set; }

    public override string Type => "LoopContext";

    public override int? Length => items.Count;

    public override bool IsCallable => true;

    public override Value? Attribute(string name) => Attributes.TryGetValue(name, out Func<LoopValue, Value>? get) ? get(this) : null;

    public override Value Call(Arguments arguments) => arguments.Positional is [var inner] && recurse is not null
        ? recurse(inner, arguments.Rendering)
        : throw new ChatTemplateException("the loop must have the 'recursive' marker to be called, with one argument");

    private Value ItemAt(int index, string which) =>
        index >= 0 && index < items.Count ? items[index] : new UndefinedValue($"there is no {which} item");

    private Value Cycle(Arguments arguments) => arguments.Positional.Count > 0
        ? arguments.Positional[Index % arguments.Positional.Count]
        : throw new ChatTemplateException("no items for cycling given");

    private BoolValue Changed(Arguments arguments)
    {
        bool same = _changed is not null && _changed.Count == arguments.Positional.Count
            && _changed.Zip(arguments.Positional).All(pair => Operators.Same(pair.First, pair.Second, arguments.Rendering));
        _changed = arguments.Positional;
        return BoolValue.Of(!same);
    }

    private static readonly Dictionary<string, Func<LoopValue, Value>> Attributes = new()
    {
        ["index"] = loop => new IntValue(loop.Index + 1),
        ["index0"] = loop => new IntValue(loop.Index),
        ["revindex"] = loop => new IntValue(loop.Length!.Value - loop.Index),
        ["revindex0"] = loop => new IntValue(loop.Length!.Value - loop.Index - 1),
        ["first"] = loop => BoolValue.Of(loop.Index == 0),
        ["last"] = loop => BoolValue.Of(loop.Index == loop.Length - 1),
        ["length"] = loop => new IntValue(loop.Length!.Value),
        ["depth"] = loop => new IntValue(loop.Depth0 + 1),
        ["depth0"] = loop => new IntValue(loop.Depth0),
        ["previtem"] = loop => loop.ItemAt(loop.Index - 1, "previous"),
        ["nextitem"] = loop => loop.ItemAt(loop.Index + 1, "next"),
        ["cycle"] = loop => new FunctionValue("cycle", loop.Cycle),
        ["changed"] = loop => new FunctionValue("changed", loop.Changed),
    };

    private int Depth0 => depth;
}
