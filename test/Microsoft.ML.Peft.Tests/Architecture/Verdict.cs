namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>What the matrix says of types and of their arrows.</summary>
internal sealed class Verdict(Rooms rooms, IReadOnlyCollection<SourceType> types, IReadOnlyCollection<Arrow> arrows)
{
    /// <summary>Types without a room and arrows that no line allows, each with its reason.</summary>
    public IReadOnlyList<string> Violations =>
        [.. types.Where(type => RoomOf(type) is null).Select(Homeless).Concat(arrows.Select(Judge).OfType<string>()).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Debts that no arrow needs any more.</summary>
    public IReadOnlyList<string> Paid
    {
        get
        {
            var used = arrows.Where(arrow => arrow.Assembly is null).Select(arrow => (From: RoomOf(arrow.From), To: RoomOf(arrow.To))).Distinct().ToArray();
            return [.. rooms.Lines.SelectMany(line => line.Owed
                .Where(owed => !used.Any(pair => pair.From?.Line == line && (pair.To?.Name == owed || pair.To?.Line.Pattern == owed)))
                .Select(owed => $"{line.Pattern} owes {owed}"))];
        }
    }

    private Room? RoomOf(SourceType type) => rooms.Of(type.Files, type.IsConcrete);

    private string? Judge(Arrow arrow)
    {
        if (RoomOf(arrow.From) is not { } from)
            return Homeless(arrow.From);
        string? reason = arrow.Assembly is { } assembly ? rooms.Forbids(from, assembly)
            : RoomOf(arrow.To) is { } to ? rooms.Forbids(from, arrow.From.Files, to)
            : Homeless(arrow.To);
        return reason is null ? null : $"{arrow.From.Name} names {arrow.To.Name}: {reason}.";
    }

    private static string Homeless(SourceType type) => type.Files.Count == 0
        ? $"{type.Name} lies in no file below src"
        : $"{type.Name} lies in no room, or in several: {string.Join(", ", type.Files)}";
}
