using System.Reflection;
using System.Text.RegularExpressions;

namespace ClipIcons;

/// <summary>One of Google's Material icons (Apache-2.0), which the package MudBlazor carries as constants.</summary>
/// <param name="Name">Its name there, such as <c>AddAlarm</c>.</param>
/// <param name="Style">Its style in words, such as <c>two tone</c>.</param>
/// <param name="Svg">Its shapes, on a field of 24 x 24.</param>
internal sealed partial record Icon(string Name, string Style, string Svg)
{
    /// <summary>The name in words, such as <c>add alarm</c>.</summary>
    public string Words { get; } = WordStart().Replace(Name.TrimStart('_'), " ").ToLowerInvariant();

    public string Caption => $"a {Style} icon of {Words}";

    /// <summary>Every icon in every style that can be drawn.</summary>
    public static IReadOnlyList<Icon> All() =>
    [
        .. from style in typeof(MudBlazor.Icons.Material).GetNestedTypes()
           from field in style.GetFields(BindingFlags.Public | BindingFlags.Static)
           let icon = new Icon(field.Name, WordStart().Replace(style.Name, " ").ToLowerInvariant(), (string)field.GetRawConstantValue()!)
           where SvgDrawing.Understands(icon.Svg)
           select icon,
    ];

    // Before a capital that begins a word, and between letters and digits ("10k", "3x3" stay).
    [GeneratedRegex(@"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[0-9])")]
    private static partial Regex WordStart();
}

/// <summary>Icons to learn from, and icons whose names are not among them in any style.</summary>
internal sealed record IconSplit(IReadOnlyList<Icon> Train, IReadOnlyList<Icon> HeldOut)
{
    private const int HeldOutShare = 10;

    /// <summary>Every tenth name is held out, which ones a seed decides.</summary>
    public static IconSplit Of(IReadOnlyList<Icon> icons, int seed)
    {
        string[] names = [.. icons.Select(icon => icon.Name).Distinct().Order(StringComparer.Ordinal)];
        new Random(seed).Shuffle(names);
        var away = names.Take(names.Length / HeldOutShare).ToHashSet();
        return new IconSplit([.. icons.Where(icon => !away.Contains(icon.Name))], [.. icons.Where(icon => away.Contains(icon.Name))]);
    }

    /// <summary>The names to learn from with each other's captions: what is left then is what captions have in common.</summary>
    public IEnumerable<(Icon Icon, string Caption)> TrainingPairs(bool shuffled, int seed)
    {
        string[] words = [.. Train.Select(icon => icon.Words).Distinct().Order(StringComparer.Ordinal)], others = [.. words];
        if (shuffled)
            new Random(seed).Shuffle(others);
        var told = words.Zip(others).ToDictionary(pair => pair.First, pair => pair.Second);
        return Train.Select(icon => (icon, $"a {icon.Style} icon of {told[icon.Words]}"));
    }
}
