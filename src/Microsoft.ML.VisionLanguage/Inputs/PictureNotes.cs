using System.Globalization;

namespace Microsoft.ML.VisionLanguage.Inputs;

/// <summary>Counts what whoever reads the log should know of pictures that were read. Many threads may write.</summary>
internal sealed class PictureNotes
{
    private readonly Note _unreadable = new("pictures could not be read and are missing values"), _animated = new("files have several pictures, of which the first is read");

    /// <param name="error">What is wrong with the picture.</param>
    public void Unreadable(string error) => _unreadable.Add(error);

    /// <param name="source">The row and its file.</param>
    public void Animated(string source) => _animated.Add(source);

    /// <summary>One line for each kind of thing that came up since the last time.</summary>
    public IEnumerable<string> Take() => new[] { _unreadable.Take(), _animated.Take() }.OfType<string>();

    private sealed class Note(string what)
    {
        private readonly object _lock = new();
        private long _count;
        private string? _first;

        public void Add(string example)
        {
            lock (_lock)
            {
                _count++;
                _first ??= example;
            }
        }

        public string? Take()
        {
            lock (_lock)
            {
                string? line = _count == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{_count} {what}. The first: {_first}");
                (_count, _first) = (0, null);
                return line;
            }
        }
    }
}
