using System.IO.Enumeration;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>The matrix of <c>rooms.txt</c>: which room may name which, and which assemblies.</summary>
internal sealed class Rooms
{
    private const string Outside = "outside", Library = "Microsoft.ML.Peft", Everywhere = "*", Debt = " owes";

    private readonly List<RoomLine> _lines = [], _outside = [];
    private readonly Dictionary<string, HashSet<string>> _more = [];

    public Rooms(IEnumerable<string> text)
    {
        string section = "";
        foreach (string line in text.Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line[0] == '[')
                section = line.Trim('[', ']');
            else
                Add(section, line);
        }
        foreach (RoomLine line in _lines)
            line.Allowed.Union(line.Owed).ToList().ForEach(CheckKnown);
        _more.Values.SelectMany(allowed => allowed).ToList().ForEach(CheckKnown);
        _outside.SelectMany(line => line.Allowed).Where(name => name != Everywhere).ToList().ForEach(CheckKnown);
    }

    /// <summary>The rooms by the patterns of their lines.</summary>
    public IEnumerable<RoomLine> Lines => _lines;

    /// <summary>The room of a type; null where no line speaks of its files, or where they lie in several.</summary>
    public Room? Of(IReadOnlyCollection<string> files, bool concrete)
    {
        Room?[] found = [.. files.Select(file => Of(file, concrete && files.Count == 1)).Distinct()];
        return found is [{ } room] ? room : null;
    }

    /// <summary>Why a type of one room must not name a type of another; null where it may.</summary>
    public string? Forbids(Room from, IReadOnlyCollection<string> files, Room to) =>
        from.Name == to.Name || Allows(from.Line.Allowed, to) || Allows(from.Line.Owed, to) || files.Any(file => Allows(_more.GetValueOrDefault(file, []), to))
            ? null
            : $"{from.Name} must not name {to.Name}";

    /// <summary>Why a room must not name another assembly; null where it may.</summary>
    public string? Forbids(Room from, string assembly)
    {
        RoomLine[] lines = [.. _outside.Where(line => FileSystemName.MatchesSimpleExpression(line.Pattern, assembly, ignoreCase: false))];
        if (lines.Length == 0)
            return $"the assembly {assembly} is unknown";
        // A line of its own counts before a pattern.
        RoomLine line = lines.MaxBy(l => l.Pattern.Length)!;
        return line.Allowed.Contains(Everywhere) || Allows(line.Allowed, from) ? null : $"{from.Name} must not name the assembly {assembly}";
    }

    /// <summary>Rooms that depend on each other, debts aside; empty where there are none.</summary>
    public IReadOnlyList<string> Cycle()
    {
        var done = new HashSet<string>();
        var path = new List<string>();
        return _lines.Select(line => Walk(line, path, done)).FirstOrDefault(cycle => cycle.Count > 0) ?? [];
    }

    private List<string> Walk(RoomLine line, List<string> path, HashSet<string> done)
    {
        int start = path.IndexOf(line.Pattern);
        if (start >= 0)
            return [.. path[start..], line.Pattern];
        if (!done.Add(line.Pattern))
            return [];
        path.Add(line.Pattern);
        IEnumerable<string> more = _more.Where(file => Of(file.Key, concrete: false)?.Line == line).SelectMany(file => file.Value);
        // A folder may make what its own files declare, and these stand on the folder.
        List<string> cycle = line.Allowed.Concat(more).Select(LineOf).Where(next => next != line && !next!.Pattern.StartsWith(line.Pattern + "/*", StringComparison.Ordinal))
            .Select(next => Walk(next!, path, done)).FirstOrDefault(found => found.Count > 0) ?? [];
        path.RemoveAt(path.Count - 1);
        return cycle;
    }

    private void Add(string section, string line)
    {
        string[] parts = line.Split(':');
        if (parts.Length != 2 || section == "")
            throw new InvalidDataException($"rooms.txt: '{line}' is no line '<room>: <rooms>' below an [assembly].");
        string[] names = parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string name = parts[0].TrimStart('+');
        if (section == Outside)
            Line(_outside, name).Allowed.UnionWith(names.Select(room => room == Everywhere ? room : Full(room)));
        else if (line[0] == '+')
            _more[$"{section}/{name}"] = [.. names.Select(Full)];
        else if (name.EndsWith(Debt, StringComparison.Ordinal))
            Line(_lines, Full(name[..^Debt.Length])).Owed.UnionWith(names.Select(Full));
        else
            Line(_lines, Full(name)).Allowed.UnionWith(names.Select(Full));

        string Full(string room) => room.StartsWith("Microsoft.ML.", StringComparison.Ordinal) ? room : $"{(section == Outside ? Library : section)}/{room}";
    }

    private static RoomLine Line(List<RoomLine> lines, string pattern)
    {
        if (lines.FirstOrDefault(line => line.Pattern == pattern) is { } known)
            return known;
        lines.Add(new RoomLine(pattern));
        return lines[^1];
    }

    // A file before a file of its kind, before a folder of a folder, before the folder.
    private Room? Of(string file, bool concrete) => _lines
        .Select(line => line.NameOf(file, concrete) is { } name ? new Room(name, line) : null).OfType<Room>()
        .OrderByDescending(room => room.Line.Pattern == file).ThenByDescending(room => room.Line.IsOfNames).ThenByDescending(room => room.Name.Length).FirstOrDefault();

    private static bool Allows(HashSet<string> allowed, Room room) => allowed.Contains(room.Name) || allowed.Contains(room.Line.Pattern);

    private RoomLine? LineOf(string name) => _lines.FirstOrDefault(line => line.Pattern == name)
        ?? _lines.FirstOrDefault(line => line.NameOf(name.EndsWith(".cs", StringComparison.Ordinal) ? name : name + "/any.cs", concrete: true) == name);

    private void CheckKnown(string name)
    {
        if (LineOf(name) is null)
            throw new InvalidDataException($"rooms.txt: '{name}' is no room.");
    }
}
