namespace Microsoft.ML.Peft.Tuners.Lora.Mixing;

/// <summary>Which values of a task's tensor go before the mixing.</summary>
internal enum Pruning { None, Smallest, Random }

/// <summary>What a method is made of.</summary>
/// <param name="Decomposes">It mixes the updates and decomposes the result; else it mixes the factors.</param>
/// <param name="Pruning">What goes before.</param>
/// <param name="ElectsSign">Values against the majority's sign count for nothing.</param>
internal sealed record MixMethod(bool Decomposes, Pruning Pruning = Pruning.None, bool ElectsSign = false)
{
    private static readonly Dictionary<AdapterMixMethod, MixMethod> Known = new()
    {
        [AdapterMixMethod.Linear] = new(false),
        [AdapterMixMethod.Svd] = new(true),
        [AdapterMixMethod.Ties] = new(false, Pruning.Smallest, ElectsSign: true),
        [AdapterMixMethod.TiesSvd] = new(true, Pruning.Smallest, ElectsSign: true),
        [AdapterMixMethod.DareLinear] = new(false, Pruning.Random),
        [AdapterMixMethod.DareLinearSvd] = new(true, Pruning.Random),
        [AdapterMixMethod.DareTies] = new(false, Pruning.Random, ElectsSign: true),
        [AdapterMixMethod.DareTiesSvd] = new(true, Pruning.Random, ElectsSign: true),
        [AdapterMixMethod.MagnitudePrune] = new(false, Pruning.Smallest),
        [AdapterMixMethod.MagnitudePruneSvd] = new(true, Pruning.Smallest),
    };

    /// <summary>The parts of a method; null for <see cref="AdapterMixMethod.Cat"/>, which computes nothing.</summary>
    public static MixMethod? Of(AdapterMixMethod method) => Known.GetValueOrDefault(method);

    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public static void Check(AdapterMixOptions options)
    {
        if (!Enum.IsDefined(options.Method) || !Enum.IsDefined(options.MajoritySign))
            throw Wrong(nameof(options.Method), $"{options.Method}, {options.MajoritySign}", "values of their enumerations");
        if (options.SvdRank < 1)
            throw Wrong(nameof(options.SvdRank), options.SvdRank, "at least 1");
        if (options.SvdClamp is { } clamp && clamp is not (>= 0 and <= 1))
            throw Wrong(nameof(options.SvdClamp), clamp, "from 0 to 1");
        Pruning pruning = Of(options.Method)?.Pruning ?? Pruning.None;
        if (pruning != Pruning.None && options.Density is not (>= 0 and <= 1))
            throw Wrong(nameof(options.Density), options.Density, $"from 0 to 1 for {options.Method}");
        // What is left is divided by it.
        if (pruning == Pruning.Random && options.Density == 0)
            throw Wrong(nameof(options.Density), options.Density, $"above 0 for {options.Method}");
    }

    private static ArgumentException Wrong(string option, object? value, string expected) => new(
        FormattableString.Invariant($"{nameof(AdapterMixOptions)}.{option} must be {expected}; it is {value ?? "not set"}."), option);
}
