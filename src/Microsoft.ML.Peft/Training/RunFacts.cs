using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Training.OptimizerStates;

namespace Microsoft.ML.Peft.Training;

/// <summary>All that decides what a run learns, by name: the state of a run in which one of them was another is not taken up.</summary>
internal sealed class RunFacts
{
    private const string SeedName = "seed", HashPrefix = "sha256 ";

    private static readonly JsonSerializerOptions s_options = new()
    {
        Converters = { new JsonStringEnumConverter() },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly SortedDictionary<string, string> _facts = new(StringComparer.Ordinal);

    /// <summary>A setting, or anything else that can be said in a word.</summary>
    public RunFacts With(string name, object? value)
    {
        _facts[name] = JsonSerializer.Serialize(value, s_options);
        return this;
    }

    /// <summary>Content that is told by its hash.</summary>
    public RunFacts WithContent(string name, string? sha256) => With(name, sha256 is null ? null : HashPrefix + sha256);

    /// <summary>A set of options: all but those that are marked as not learnt.</summary>
    /// <param name="options">What the user said; null for nothing.</param>
    /// <param name="settled">What holds where the user said nothing, by the same names.</param>
    public RunFacts WithOptions(object? options, object? settled = null)
    {
        foreach (PropertyInfo option in options?.GetType().GetProperties() ?? [])
        {
            if (!option.IsDefined(typeof(NotLearntAttribute), inherit: true))
                With($"{option.DeclaringType!.Name}.{option.Name}", ValueOf(option.Name, settled) ?? option.GetValue(options));
        }
        return this;
    }

    /// <summary>What the loop knows: its settings, the seed, the rows, what trains.</summary>
    public RunFacts WithRun(
        TrainingSettings settings, long seed, TunedModel model, IReadOnlyList<Example> train, IReadOnlyList<Example>? validation) =>
        WithOptions(settings.Given, settings)
            .With($"{nameof(TrainingOptions)}.{nameof(TrainingOptions.Optimizer)}", OptimizerLayout.Of(settings.Optimizer).Format.Name)
            .With(SeedName, seed)
            .WithContent("training data", HashOf(train))
            .WithContent("validation data", validation is null ? null : HashOf(validation))
            .WithContent("the base's config.json", HashOf(model.Model.Config.Json))
            .WithContent("trained weights", HashOf(model.Trainable.Select(p => new { p.Name, shape = p.Value.Sizes(), p.LearningRateScale })));

    public string ToJson() => JsonSerializer.Serialize(_facts);

    /// <summary>The seed in what a run wrote of itself; null where it is not there.</summary>
    public static long? SeedIn(string? json) =>
        Parse(json) is { } facts && facts.TryGetValue(SeedName, out string? seed) && long.TryParse(seed, out long value) ? value : null;

    /// <summary>In which facts another run, as it wrote of itself, differs from this one.</summary>
    public static string Differences(string other, string own)
    {
        if (Parse(other) is not { } before || Parse(own) is not { } now)
            return "another version of the library wrote it";
        IEnumerable<string> names = before.Keys.Union(now.Keys).Order(StringComparer.Ordinal)
            .Where(name => before.GetValueOrDefault(name) != now.GetValueOrDefault(name));
        return string.Join("; ", names.Select(name => Difference(name, before.GetValueOrDefault(name, "null"), now.GetValueOrDefault(name, "null"))));
    }

    private static string Difference(string name, string before, string now) =>
        IsHash(before) && IsHash(now) ? $"other {name}" : $"{name} was {Text(before)}, is {Text(now)}";

    private static bool IsHash(string value) => value.StartsWith('"' + HashPrefix, StringComparison.Ordinal);

    private static string Text(string value) => IsHash(value) ? "given" : value == "null" ? "nothing" : value;

    private static object? ValueOf(string name, object? settled) => settled?.GetType().GetProperty(name)?.GetValue(settled);

    private static Dictionary<string, string>? Parse(string? json)
    {
        try
        {
            return json is null ? null : JsonSerializer.Deserialize<Dictionary<string, string>>(json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The hash of what JSON can say.</summary>
    public static string HashOf<T>(T value) => Convert.ToHexString(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(value)));

    private static string HashOf(IReadOnlyList<Example> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Example row in rows)
        {
            foreach (var (field, values) in row.Entries)
            {
                if (field.IsNote)
                    continue;
                hash.AppendData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{field} {values.Length}\n")));
                hash.AppendData(field.BytesOf(values));
            }
            hash.AppendData("\n"u8);
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
