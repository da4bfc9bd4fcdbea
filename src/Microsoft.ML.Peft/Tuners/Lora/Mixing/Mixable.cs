namespace Microsoft.ML.Peft.Tuners.Lora.Mixing;

/// <summary>What adapters hold beside low-rank factors, and whether it can go into a mix.</summary>
internal static class Mixable
{
    private static readonly (string Mark, string What)[] Refused =
    [
        (".lora_magnitude_vector", "DoRA, whose lengths belong to one update"),
        (".token_adapter.", "rows of tokens, which belong to one vocabulary"),
    ];

    /// <summary>Tensors of modules that one of the adapters trained as a whole: they go into the mix as they are.</summary>
    /// <exception cref="NotSupportedException">An adapter holds what cannot be mixed.</exception>
    public static IReadOnlyList<(string Name, AdapterState Owner)> WholeTensors(IReadOnlyList<AdapterState> states)
    {
        var others = states.SelectMany(state => FactorNames.Others(state.Tensors).Select(name => (Name: name, Owner: state)))
            .Where(tensor => !tensor.Name.Contains(".base_layer.", StringComparison.Ordinal)).ToList();
        foreach (var (name, owner) in others)
        {
            foreach (var (_, what) in Refused.Where(kind => name.Contains(kind.Mark, StringComparison.Ordinal)))
                throw new NotSupportedException($"Adapter '{owner.Name}' cannot be mixed: tensor '{name}' is of {what}.");
        }
        foreach (AdapterState state in states.Where(state => ((LoraOptions)state.Settings).HasOwnMatrices))
            throw new NotSupportedException($"Adapter '{state.Name}' cannot be mixed: it has quantized matrices of its own.");
        foreach (AdapterState state in states.Where(state => ((LoraOptions)state.Settings).Bias != LoraBias.None))
            throw new NotSupportedException($"Adapter '{state.Name}' cannot be mixed: it trains biases of the base.");
        var twice = others.GroupBy(tensor => tensor.Name).FirstOrDefault(group => group.Count() > 1);
        return twice is null ? others : throw new NotSupportedException(
            $"Adapters {string.Join(", ", twice.Select(tensor => $"'{tensor.Owner.Name}'"))} cannot be mixed: each brings a '{twice.Key}' of its own "
            + "(a head, or a module to save), and a mix has one.");
    }
}
