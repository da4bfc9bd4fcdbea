using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>The rooms of <c>rooms.txt</c> as a picture: each above all that its code names, with the arrows that no others imply.</summary>
internal sealed class RoomDrawing
{
    private const int Width = 1000, LevelHeight = 76, BoxHeight = 30, Margin = 20, LetterWidth = 8;

    private readonly SortedDictionary<string, SortedSet<string>> _named = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _levels = [];
    private readonly Dictionary<string, (double X, double Y, double Width)> _boxes = [];

    /// <param name="rooms">The matrix.</param>
    /// <param name="types">The types of the assemblies.</param>
    /// <param name="arrows">What they name.</param>
    public RoomDrawing(Rooms rooms, IEnumerable<SourceType> types, IEnumerable<Arrow> arrows)
    {
        foreach (string name in types.Select(NameOf).OfType<string>())
            _named.TryAdd(name, new(StringComparer.Ordinal));
        foreach (Arrow arrow in arrows.Where(arrow => arrow.Assembly is null))
        {
            // A folder may make what its own files declare, and these stand on the folder.
            if (NameOf(arrow.From) is { } from && NameOf(arrow.To) is { } to && from != to && !to.StartsWith(from + "/", StringComparison.Ordinal))
                _named[from].Add(to);
        }

        string? NameOf(SourceType type) => rooms.Of(type.Files, type.IsConcrete) is { } room ? ShortName(room.Line.Pattern) : null;
    }

    /// <summary>An SVG picture, the same for the same code.</summary>
    public string ToSvg()
    {
        Place();
        int height = ((_levels.Values.Max() + 1) * LevelHeight) + Margin;
        var svg = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{height}" viewBox="0 0 {Width} {height}" font-family="sans-serif" font-size="13">
            <rect width="{Width}" height="{height}" fill="white"/>

            """));
        foreach (var (from, to) in _named.SelectMany(pair => Direct(pair.Key).Select(to => (pair.Key, to))))
            svg.Append(Line(_boxes[from], _boxes[to]));
        foreach (var (name, box) in _boxes.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            svg.Append(Box(name, box));
        return svg.Append("</svg>\n").ToString();
    }

    // A folder's name; "X/<one>" for each folder or file in X that is a room of its own.
    private static string ShortName(string pattern) => pattern.Replace("Microsoft.ML.Peft/", "").Replace("Microsoft.ML.", "")
        .Replace("/*/", "/<one>").Replace("/*.cs", "/<one>").Replace(".cs", "");

    /// <summary>What a room names and reaches in no other way.</summary>
    private IEnumerable<string> Direct(string room) => _named[room].Where(to => !_named[room].Any(other => other != to && Reaches(other, to)));

    private bool Reaches(string from, string to) => _named[from].Contains(to) || _named[from].Any(next => Reaches(next, to));

    private int Level(string room)
    {
        if (_levels.TryGetValue(room, out int level))
            return level >= 0 ? level : throw new InvalidOperationException($"{room} stands on itself.");
        _levels[room] = -1;
        return _levels[room] = _named[room].Count == 0 ? 0 : 1 + _named[room].Max(Level);
    }

    private void Place()
    {
        int top = _named.Keys.Max(Level);
        foreach (var level in _named.Keys.GroupBy(Level))
        {
            string[] names = [.. level.Order(StringComparer.Ordinal)];
            double step = (double)(Width - (2 * Margin)) / names.Length;
            for (int i = 0; i < names.Length; i++)
                _boxes[names[i]] = (Margin + (step * (i + 0.5)), Margin + ((top - level.Key) * LevelHeight), (names[i].Length * LetterWidth) + 16);
        }
    }

    private static string Line((double X, double Y, double Width) from, (double X, double Y, double Width) to) => string.Create(CultureInfo.InvariantCulture,
        $"<line x1=\"{from.X:f0}\" y1=\"{from.Y + BoxHeight:f0}\" x2=\"{to.X:f0}\" y2=\"{to.Y:f0}\" stroke=\"#999\"/>\n");

    private static string Box(string name, (double X, double Y, double Width) box) => string.Create(CultureInfo.InvariantCulture, $"""
        <rect x="{box.X - (box.Width / 2):f0}" y="{box.Y:f0}" width="{box.Width:f0}" height="{BoxHeight}" rx="4" fill="#eef3fb" stroke="#456"/>
        <text x="{box.X:f0}" y="{box.Y + 20:f0}" text-anchor="middle">{System.Security.SecurityElement.Escape(name)}</text>

        """);
}
