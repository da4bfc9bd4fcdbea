namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>What can be assigned to.</summary>
internal abstract class Target
{
    public abstract void Assign(Frame frame, Value value);
}

internal sealed class NameTarget(string name) : Target
{
    public override void Assign(Frame frame, Value value) => frame.Scope.Set(name, value);
}

internal sealed class NamespaceTarget(string name, string attribute) : Target
{
    public override void Assign(Frame frame, Value value)
    {
        if (frame.Scope.Find(name) is not NamespaceValue space)
        {
            throw new ChatTemplateException($"cannot assign attribute '{attribute}' of '{name}', which is no namespace");
        }
        space.Set(attribute, value);
    }
}

internal sealed class TupleTarget(IReadOnlyList<Target> targets) : Target
{
    public override void Assign(Frame frame, Value value)
    {
        IReadOnlyList<Value> items = value.Iterate(frame.Rendering);
        if (items.Count != targets.Count)
        {
            throw new ChatTemplateException($"expected {targets.Count} values to unpack, found {items.Count}");
        }
        for (int i = 0; i < items.Count; i++)
        {
            targets[i].Assign(frame, items[i]);
        }
    }
}
