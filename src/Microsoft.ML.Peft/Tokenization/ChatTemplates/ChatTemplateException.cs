namespace Microsoft.ML.Peft;

/// <summary>A chat template that cannot be read, or that fails on the messages given to it.</summary>
public sealed class ChatTemplateException : Exception
{
    internal ChatTemplateException(string reason)
        : base(reason) => Reason = reason;

    internal ChatTemplateException(string reason, int line)
        : base($"chat template, line {line}: {reason}") => (Reason, Line) = (reason, line);

    /// <summary>What is wrong, without the place: the template's own words where it raised the error itself.</summary>
    public string Reason { get; }

    /// <summary>The line of the template, counted from 1; 0 where it has no part in the error.</summary>
    public int Line { get; }
}
