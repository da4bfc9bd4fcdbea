using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>The names that PEFT gives tensors in <c>adapter_model.safetensors</c>.</summary>
internal static class PeftNames
{
    public const string Prefix = "base_model.model.";

    /// <summary>What stands before the model's own names in files of methods that wrap no module (prompt learning).</summary>
    public const string PlainPrefix = "base_model.";

    /// <summary>Fills parameters from a file, each exactly once.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, unexpected or of another shape.</exception>
    public static void Import(ITensorSource source, IReadOnlyDictionary<string, Parameter> parameters) =>
        Import(source, parameters, new Dictionary<string, Parameter>());

    /// <summary>Fills parameters from a file, each exactly once, and others for which there may be a tensor.</summary>
    /// <param name="source">The file.</param>
    /// <param name="parameters">What must be there.</param>
    /// <param name="optional">What may be there.</param>
    /// <param name="known">Tells names of tensors that were read before; null for none.</param>
    /// <param name="prefix">What stands before the model's own names in the file.</param>
    /// <returns>The others that the file has.</returns>
    /// <exception cref="InvalidDataException">A tensor is missing, unexpected or of another shape.</exception>
    public static IReadOnlyList<string> Import(
        ITensorSource source, IReadOnlyDictionary<string, Parameter> parameters, IReadOnlyDictionary<string, Parameter> optional,
        Predicate<string>? known = null, string prefix = Prefix)
    {
        var names = source.Names.ToDictionary(name => name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name);
        var missing = parameters.Keys.Except(names.Keys).Order().ToList();
        var unexpected = names.Keys.Except(parameters.Keys).Except(optional.Keys).Where(name => known?.Invoke(name) != true).Order().ToList();
        if (missing.Count + unexpected.Count > 0)
        {
            throw new InvalidDataException(
                $"{source.Description} does not fit the model and its tuner. Missing: {List(missing)}. Unexpected: {List(unexpected)}.");
        }
        foreach (var (name, parameter) in parameters)
            Fill(source, names[name], parameter);
        var found = optional.Where(p => names.ContainsKey(p.Key)).ToList();
        foreach (var (name, parameter) in found)
            Fill(source, names[name], parameter);
        return [.. found.Select(p => p.Key)];
    }

    /// <exception cref="InvalidDataException">The tensor has another shape.</exception>
    public static void CheckShape(ITensorSource source, string name, long[] expected)
    {
        long[] found = source.ShapeOf(name);
        if (!found.AsSpan().SequenceEqual(expected))
        {
            throw new InvalidDataException(
                $"{source.Description}: tensor '{name}' has shape [{string.Join(", ", found)}], expected [{string.Join(", ", expected)}].");
        }
    }

    /// <summary>A tensor's name in the model itself.</summary>
    public static string WithoutPrefix(string name) => name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;

    /// <summary>Whether a tensor is one of the model's, whatever the method puts before its name.</summary>
    public static bool IsOneOf(IReadOnlySet<string> own, string name) =>
        own.Contains(WithoutPrefix(name)) || (name.StartsWith(PlainPrefix, StringComparison.Ordinal) && own.Contains(name[PlainPrefix.Length..]));

    /// <summary>The tensors under the model's own names.</summary>
    public static ITensorSource WithoutPrefix(ITensorSource source) => new Unprefixed(source);

    private static void Fill(ITensorSource source, string name, Parameter parameter)
    {
        CheckShape(source, name, parameter.Value.Sizes());
        using Tensor values = source.Read(name);
        using Tensor here = values.to(parameter.Value.device);
        using Tensor differs = here.ne(parameter.Value).any();
        // A weight that holds the values already stays the checkpoint's.
        if (differs.item<bool>())
            parameter.Assign(here);
    }

    private static string List(IReadOnlyList<string> names) =>
        names.Count == 0 ? "none" : string.Join(", ", names.Take(10)) + (names.Count > 10 ? $" and {names.Count - 10} more" : "");

    private sealed class Unprefixed(ITensorSource source) : ITensorSource
    {
        private readonly Dictionary<string, string> _names = source.Names
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(name => name[Prefix.Length..]);

        public string Description => source.Description;

        public IReadOnlyCollection<string> Names => _names.Keys;

        public long[] ShapeOf(string name) => source.ShapeOf(_names[name]);

        public Tensor Read(string name) => source.Read(_names[name]);

        public void Dispose() => source.Dispose();
    }
}
