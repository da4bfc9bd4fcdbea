namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>The names that a block sees: its own, then those around it.</summary>
internal sealed class Scope(Scope? around = null)
{
    private readonly Dictionary<string, Value> _values = [];

    public void Set(string name, Value value) => _values[name] = value;

    public Value? Find(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._values.TryGetValue(name, out Value? value))
            {
                return value;
            }
        }
        return Globals.All.GetValueOrDefault(name);
    }

    private Scope? Outer => around;
}

/// <summary>Where a node runs: what it sees, where its text goes, what it may spend.</summary>
internal readonly record struct Frame(Scope Scope, TextBuilder Output, Rendering Rendering)
{
    public Frame Inner() => this with { Scope = new Scope(Scope) };

    /// <summary>A frame of its own whose text is kept apart.</summary>
    public Frame Capture(Scope scope) => new(scope, new TextBuilder(Rendering), Rendering);
}
