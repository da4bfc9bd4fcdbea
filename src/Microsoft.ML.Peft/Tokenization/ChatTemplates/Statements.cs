namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>How a statement ended: on to the next one, or out of the loop around it.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

internal abstract class Statement(int line)
{
    public Flow Execute(Frame frame)
    {
        frame.Rendering.Enter(line);
        return Run(frame);
    }

    protected abstract Flow Run(Frame frame);
}

internal sealed class Block(int line, IReadOnlyList<Statement> statements) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        foreach (Statement statement in statements)
        {
            if (statement.Execute(frame) is var flow && flow != Flow.Next)
            {
                return flow;
            }
        }
        return Flow.Next;
    }
}

internal sealed class TextStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Output.Append(text);
        return Flow.Next;
    }
}

internal sealed class PrintStatement(int line, Expression expression) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        expression.Evaluate(frame).WriteText(frame.Output);
        return Flow.Next;
    }
}

internal sealed class IfStatement(int line, IReadOnlyList<(Expression Test, Block Body)> branches, Block? otherwise) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        foreach ((Expression test, Block body) in branches)
        {
            if (test.Evaluate(frame).IsTrue)
            {
                return body.Execute(frame);
            }
        }
        return otherwise?.Execute(frame) ?? Flow.Next;
    }
}

internal sealed class LeaveStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(Frame frame) => flow;
}

internal sealed class SetStatement(int line, Target target, Expression value) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        target.Assign(frame, value.Evaluate(frame));
        return Flow.Next;
    }
}

/// <summary>Runs a body apart and does something with its text: keeps it in a variable, or prints it filtered.</summary>
internal sealed class CaptureStatement(int line, Target? target, Expression filtered, Block body) : Statement(line)
{
    /// <summary>The name of the body's text, which no template can write.</summary>
    public const string BodyName = "{body}";

    protected override Flow Run(Frame frame)
    {
        Frame capture = frame.Capture(new Scope(frame.Scope));
        Flow flow = body.Execute(capture);
        capture.Scope.Set(BodyName, new TextValue(capture.Output.ToString()));
        Value value = filtered.Evaluate(capture);
        if (target is null)
        {
            value.WriteText(frame.Output);
        }
        else
        {
            target.Assign(frame, value);
        }
        return flow;
    }
}

internal sealed class WithStatement(int line, IReadOnlyList<(Target Target, Expression Value)> variables, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        Frame inner = frame.Inner();
        foreach ((Target target, Expression value) in variables)
        {
            target.Assign(inner, value.Evaluate(frame));
        }
        return body.Execute(inner);
    }
}

/// <summary>What the assistant writes, as templates mark it for training: the place in the text is noted.</summary>
internal sealed class GenerationStatement(int line, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        int start = frame.Output.Length;
        Flow flow = body.Execute(frame.Inner());
        if (ReferenceEquals(frame.Output, frame.Rendering.Main))
        {
            frame.Rendering.Generated.Add(new TextSpan(start, frame.Output.Length));
        }
        return flow;
    }
}
