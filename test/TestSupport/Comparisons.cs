namespace Microsoft.ML.Peft.TestSupport;

/// <summary>What a case expects, by name, and what of it nobody has compared yet.</summary>
internal sealed class Comparisons
{
    private readonly string _case;
    private readonly HashSet<string> _expected, _left;

    public Comparisons(string name, IEnumerable<string> expected)
    {
        (_case, _expected) = (name, [.. expected]);
        _left = [.. _expected];
    }

    /// <summary>Notes a comparison of the whole of an expectation, which held.</summary>
    public void Held(string name)
    {
        Assert.Contains(name, _expected, $"{_case}: '{name}' is no expectation.");
        _left.Remove(name);
    }

    /// <summary>Fails with the names of what was not compared, and where there was nothing to compare.</summary>
    public void AssertComplete()
    {
        Assert.IsNotEmpty(_expected, $"{_case} expects nothing: is a file missing?");
        if (_left.Count > 0)
            Assert.Fail($"{_case}: not compared over the whole shape: {string.Join(", ", _left.Order(StringComparer.Ordinal))}.");
    }
}
