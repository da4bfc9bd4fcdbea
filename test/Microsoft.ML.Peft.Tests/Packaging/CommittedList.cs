namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>A committed text file that holds a set, one entry a line; lines that begin with # are comments.</summary>
internal sealed class CommittedList(string path)
{
    /// <summary>Fails with both differences, each as lines that can be pasted, unless the set is the committed one.</summary>
    internal void AssertEquals(IEnumerable<string> actual)
    {
        var committed = File.ReadLines(path).Where(line => line.Length > 0 && line[0] != '#').ToHashSet();
        var found = actual.ToHashSet();
        string added = Lines(found.Except(committed)), removed = Lines(committed.Except(found));
        Assert.IsTrue(
            committed.SetEquals(found),
            $"{path} no longer tells the truth.{Environment.NewLine}Found, not listed:{added}{Environment.NewLine}Listed, not found:{removed}");
    }

    private static string Lines(IEnumerable<string> entries)
        => string.Concat(entries.Order(StringComparer.Ordinal).Select(entry => Environment.NewLine + entry)) is { Length: > 0 } lines
            ? lines
            : " nothing";
}
