namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>A committed text file that holds a set, one entry a line; lines that begin with # are comments.</summary>
internal sealed class CommittedList(string path)
{
    /// <summary>Fails with both differences, each as lines that can be pasted, unless the set is the committed one.</summary>
    internal void AssertEquals(IEnumerable<string> actual)
    {
        var committed = File.ReadLines(path).Where(line => line.Length > 0 && line[0] != '#').ToHashSet();
        var found = actual.ToHashSet();
        if (!committed.SetEquals(found))
            Assert.Fail($"""
                {path} no longer tells the truth.
                Found, not listed:{Lines(found.Except(committed))}
                Listed, not found:{Lines(committed.Except(found))}
                """);
    }

    private static string Lines(IEnumerable<string> entries)
        => string.Concat(entries.Order(StringComparer.Ordinal).Select(entry => Environment.NewLine + entry)) is { Length: > 0 } lines
            ? lines
            : " nothing";
}
