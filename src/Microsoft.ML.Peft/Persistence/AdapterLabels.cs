using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>
/// The labels that an adapter was trained with, in the metadata of its file, which PEFT ignores: the rows of its classifier are
/// put into the order of the task that takes it.
/// </summary>
internal static class AdapterLabels
{
    public const string Key = "labels";

    /// <summary>An adapter's tensors, the rows of its classifier in the order of a task's labels.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="head">The task's head.</param>
    /// <param name="labels">The task's labels.</param>
    /// <param name="warn">Is told where the adapter does not say its labels.</param>
    /// <exception cref="InvalidDataException">It was trained with other labels; the message names both.</exception>
    public static ITensorSource Match(AdapterState adapter, Head head, LabelSet labels, Action<string> warn)
    {
        HashSet<string> rows = [.. head.ClassRows.Select(parameter => parameter.Name)];
        HashSet<string> names = [.. adapter.Tensors.Names.Where(name => PeftNames.IsOneOf(rows, name))];
        if (names.Count == 0)
            return adapter.Tensors;
        if (Parse(adapter) is not { } own)
        {
            warn($"The adapter in '{adapter.Name}' does not say which labels it was trained with: its classifier is taken row by row as {labels}.");
            return adapter.Tensors;
        }
        int[] order = labels.OrderIn(own) ?? throw new InvalidDataException(
            $"The adapter in '{adapter.Name}' was trained with other labels: it has {own}, and the task {labels}. Labels are matched by their values.");
        return new Reordered(adapter.Tensors, names, order);
    }

    private static LabelSet? Parse(AdapterState adapter)
    {
        try
        {
            return adapter.Labels is { } text ? LabelSet.FromJson(JsonNode.Parse(text) as JsonObject ?? throw new JsonException("it is no object")) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw new InvalidDataException($"{adapter.Tensors.Description}: the metadata under '{Key}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Tensors of which some have their rows in another order.</summary>
    private sealed class Reordered(ITensorSource source, HashSet<string> names, int[] order) : ITensorSource
    {
        public string Description => source.Description;

        public IReadOnlyCollection<string> Names => source.Names;

        public long[] ShapeOf(string name) => source.ShapeOf(name);

        public ScalarType TypeOf(string name) => source.TypeOf(name);

        public bool IsView(string name) => !names.Contains(name) && source.IsView(name);

        public Tensor Read(string name)
        {
            if (!names.Contains(name) || source.ShapeOf(name)[0] != order.Length)
                return source.Read(name);
            using var scope = NewDisposeScope();
            Tensor read = source.Read(name);
            return read.index_select(0, tensor(order, dtype: ScalarType.Int64, device: read.device)).DetachFromDisposeScope();
        }

        public void Dispose() => source.Dispose();
    }
}
