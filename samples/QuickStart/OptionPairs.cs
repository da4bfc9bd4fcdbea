namespace Samples;

/// <summary>A command line of pairs: --name and value.</summary>
internal abstract class OptionPairs
{
    private readonly Dictionary<string, string> _values = [];

    /// <exception cref="ArgumentException">An option is not known, or has no value.</exception>
    protected OptionPairs(string[] args, params string[] known)
    {
        foreach (string[] pair in args.Chunk(2))
        {
            if (pair.Length < 2 || !pair[0].StartsWith("--", StringComparison.Ordinal) || !known.Contains(pair[0][2..]))
                throw new ArgumentException($"'{pair[0]}': each option takes a value; known are {string.Join(", ", known.Select(name => "--" + name))}.");
            _values[pair[0][2..]] = pair[1];
        }
    }

    protected string? Get(string name) => _values.GetValueOrDefault(name);

    protected int Number(string name, int usual) =>
        Get(name) is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : usual;
}
