namespace QuickStart;

/// <summary>The command line: pairs of --name and value.</summary>
internal sealed class Arguments
{
    private static readonly string[] s_known = ["rows", "model", "data", "text", "label", "predict"];

    private readonly Dictionary<string, string> _values = [];

    /// <exception cref="ArgumentException">An option is not known, or has no value.</exception>
    public Arguments(string[] args)
    {
        foreach (string[] pair in args.Chunk(2))
        {
            if (pair.Length < 2 || !pair[0].StartsWith("--", StringComparison.Ordinal) || !s_known.Contains(pair[0][2..]))
                throw new ArgumentException($"'{pair[0]}': each option takes a value; known are {string.Join(", ", s_known.Select(name => "--" + name))}.");
            _values[pair[0][2..]] = pair[1];
        }
    }

    /// <summary>Training rows at most; the default keeps the whole comparison below five minutes on two cores.</summary>
    public int Rows => int.Parse(Get("rows") ?? "2500", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A model folder; null for MiniLM.</summary>
    public string? Model => Get("model");

    /// <summary>A tab-separated file; null for the API documentation.</summary>
    public string? Data => Get("data");

    public string Text => Get("text") ?? "text";

    public string Label => Get("label") ?? "label";

    /// <summary>A saved model to predict with; null to train.</summary>
    public string? Predict => Get("predict");

    private string? Get(string name) => _values.GetValueOrDefault(name);
}
