namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The state dict of a module that <c>torch.jit.save</c> wrote: a tree of objects whose attributes are tensors, modules and settings.</summary>
internal static class ScriptedModule
{
    // A tree may name one object many times: what it unfolds to must stay within what a model can have.
    private const int MostObjects = 1_000_000, DeepestPath = 100;

    /// <summary>The tensors by their paths.</summary>
    /// <exception cref="InvalidDataException">The tree does not end, or is beyond all measure.</exception>
    public static IEnumerable<KeyValuePair<object, object?>> Tensors(PickledObject root, string file)
    {
        var open = new Stack<(PickledObject Object, string Path, int Depth)>([(root, "", 0)]);
        for (int count = 0; open.TryPop(out var at); count++)
        {
            if (count > MostObjects || at.Depth > DeepestPath)
                throw Malformed.File(file, "a tree of modules", $"one of more than {MostObjects} modules, or deeper than {DeepestPath}: '{at.Path}'");
            foreach (var (key, value) in at.Object.Attributes)
            {
                if (value is PickledTensor)
                    yield return new(at.Path + key, value);
                else if (value is PickledObject part)
                    open.Push((part, $"{at.Path}{key}.", at.Depth + 1));
            }
        }
    }
}
