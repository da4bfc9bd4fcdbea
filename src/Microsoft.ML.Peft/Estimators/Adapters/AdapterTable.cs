using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>The named adapters on one base, and which of them is active or merged. Its host guards it.</summary>
internal sealed class AdapterTable
{
    private readonly Dictionary<string, PeftAdapter> _adapters = new(StringComparer.Ordinal);
    private readonly HashSet<string> _keys;
    private int _generation;

    /// <param name="adapters">What is there from the start.</param>
    /// <param name="active">The name of the active one; null for the bare base.</param>
    public AdapterTable(IEnumerable<PeftAdapter> adapters, string? active)
    {
        foreach (PeftAdapter adapter in adapters)
            _adapters.Add(adapter.Name, adapter);
        // The trained one has its slots for good, listed or not.
        _keys = [ForwardContext.DefaultAdapter, .. _adapters.Values.Select(adapter => adapter.Key)];
        Active = active is null ? null : Find(active);
    }

    public IReadOnlyList<PeftAdapter> All => [.. _adapters.Values.OrderBy(adapter => adapter.Name, StringComparer.Ordinal)];

    public PeftAdapter? Active { get; set; }

    public PeftAdapter? Merged { get; set; }

    public bool Has(string name) => _adapters.ContainsKey(name);

    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public PeftAdapter Find(string name) => _adapters.TryGetValue(name, out PeftAdapter? adapter) ? adapter : throw new ArgumentException(
        $"There is no adapter '{name}'; known are {(_adapters.Count == 0 ? "none" : string.Join(", ", _adapters.Keys.Order(StringComparer.Ordinal)))}.", nameof(name));

    /// <summary>The adapter of each row, null for the bare base.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    /// <exception cref="InvalidOperationException">Another one is merged into the base.</exception>
    public PeftAdapter?[] Choose(AdapterChoice[] rows)
    {
        PeftAdapter?[] chosen = [.. rows.Select(row => row.IsActive ? Active : row.Name is null ? null : Find(row.Name))];
        foreach (PeftAdapter? adapter in chosen)
            CheckAnswers(adapter);
        return chosen;
    }

    /// <summary>A name in the model's slots. None is given again: those of older calls may still be there.</summary>
    public string NewKey(string name) => _keys.Add(name) ? name : $"{name}\n{++_generation}";

    /// <summary>Lists an adapter in place of another, or beside the others.</summary>
    public void Put(PeftAdapter adapter, PeftAdapter? replaced)
    {
        if (replaced is not null)
            replaced.IsCurrent = false;
        _adapters[adapter.Name] = adapter;
        if (replaced is not null && Active == replaced)
            Active = adapter;
    }

    /// <exception cref="InvalidOperationException">It is stale or merged.</exception>
    public void Remove(PeftAdapter adapter)
    {
        CheckChanges(adapter);
        adapter.IsCurrent = false;
        _adapters.Remove(adapter.Name);
        if (Active == adapter)
            Active = null;
    }

    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void CheckFree(string name)
    {
        if (Has(name))
            throw new ArgumentException($"There is an adapter '{name}' already: replace it, or choose another name.", nameof(name));
    }

    /// <exception cref="InvalidOperationException">It is stale or merged.</exception>
    public void CheckChanges(PeftAdapter adapter)
    {
        CheckCurrent(adapter);
        if (Merged == adapter)
            throw new InvalidOperationException($"Adapter '{adapter.Name}' is merged into the base: unmerge it first.");
    }

    /// <exception cref="InvalidOperationException">Another one is merged into the base.</exception>
    public void CheckAnswers(PeftAdapter? adapter)
    {
        if (Merged is { } merged && merged != adapter)
        {
            throw new InvalidOperationException(
                $"Adapter '{merged.Name}' is merged into the base, so {(adapter is null ? "the bare base" : $"adapter '{adapter.Name}'")} cannot answer: unmerge first.");
        }
    }

    /// <exception cref="InvalidOperationException">It was removed or replaced.</exception>
    public static void CheckCurrent(PeftAdapter adapter)
    {
        if (!adapter.IsCurrent)
            throw new InvalidOperationException($"This handle of adapter '{adapter.Name}' is stale: the adapter was removed or replaced.");
    }
}
