namespace Microsoft.ML.Peft.TestSupport;

/// <summary>The checkout that the tests were built from.</summary>
public static class RepositoryFolder
{
    public static string Root { get; } = Find();

    /// <summary>A file or a folder of the tests, below <c>test</c>.</summary>
    public static string Test(string name) => Path.Combine(Root, "test", name);

    private static string Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Extensions.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("The tests run outside their checkout.");
    }
}
