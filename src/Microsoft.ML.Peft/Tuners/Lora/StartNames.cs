using System.Globalization;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>How PEFT's <c>init_lora_weights</c> spells <see cref="LoraStart"/>.</summary>
internal static class StartNames
{
    private const string Iterations = "pissa_niter_";

    private static readonly Dictionary<string, LoraStart> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["gaussian"] = LoraStart.Gaussian,
        ["pissa"] = LoraStart.Pissa,
        ["olora"] = LoraStart.Olora,
        ["loftq"] = LoraStart.Loftq,
    };

    // They choose the first values of A and B, and what is read takes their place.
    private static readonly HashSet<string> Past = new(StringComparer.OrdinalIgnoreCase) { "eva", "orthogonal", "mica" };

    /// <exception cref="NotSupportedException">The start changes the base in a way that cannot be repeated here.</exception>
    public static (LoraStart Start, int? Iterations) Read(JsonNode? node, string file)
    {
        if (node is not JsonValue value || !value.TryGetValue(out string? name) || Past.Contains(name))
            return (LoraStart.Uniform, null);
        if (name.StartsWith(Iterations, StringComparison.OrdinalIgnoreCase))
            return (LoraStart.Pissa, int.Parse(name.AsSpan(Iterations.Length), NumberStyles.None, CultureInfo.InvariantCulture));
        return Known.TryGetValue(name, out LoraStart start) ? (start, null) : throw new NotSupportedException(
            $"{file}: 'init_lora_weights' is \"{name}\", which is not supported; known are true, {string.Join(", ", Known.Keys)} and {Iterations}N.");
    }

    /// <summary>The iterations in PEFT's <c>loftq_config</c>; what it leaves out has PEFT's defaults.</summary>
    /// <exception cref="NotSupportedException">The weights were quantized otherwise than this library does it.</exception>
    public static int ReadLoftq(JsonNode? config, string file) => config?["loftq_bits"]?.GetValue<int>() is { } bits and not 4
        ? throw new NotSupportedException($"{file}: 'loftq_bits' is {bits}, which is not supported; known is 4, bitsandbytes' NF4.")
        : config?["loftq_iter"]?.GetValue<int>() ?? 1;

    public static JsonNode Write(LoraOptions options) => options switch
    {
        { Start: LoraStart.Uniform } => true,
        { Start: LoraStart.Pissa, PissaIterations: { } iterations } => string.Create(CultureInfo.InvariantCulture, $"{Iterations}{iterations}"),
        _ => Known.Single(name => name.Value == options.Start).Key,
    };
}
