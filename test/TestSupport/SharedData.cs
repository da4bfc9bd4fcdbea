namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Where the parity cases, real models and data sets lie: an environment variable, or the folder beside the repository.</summary>
public static class SharedData
{
    public static string Parity => Folder("PARITY_ROOT", "parity");

    public static string Models => Folder("MODELS_ROOT", Path.Combine("data", "models"));

    /// <summary>Data sets; always beside the repository.</summary>
    public static string Data => Path.Combine(RepositoryFolder.Root, "..", "shared", "data");

    /// <summary>Ends a test that cannot decide, with the reason printed: the whole folder is absent. A file missing in a folder that is there is a failure.</summary>
    public static void RequireFolder(string folder)
    {
        if (Directory.Exists(folder))
            return;
        Console.WriteLine($"Not decided: folder '{folder}' is absent.");
        Assert.Inconclusive($"Folder '{folder}' is absent.");
    }

    /// <summary>A file, or a folder, inside a folder without which a test cannot decide.</summary>
    /// <exception cref="AssertFailedException">The folder is there and the file is not.</exception>
    public static string Require(string folder, params string[] parts)
    {
        RequireFolder(folder);
        string path = Path.Combine([folder, .. parts]);
        Assert.IsTrue(Path.Exists(path), $"Folder '{folder}' is there, but '{Path.Combine(parts)}' is missing in it.");
        return path;
    }

    /// <summary>Ends a test that asks for everything, where a folder of somebody's own is used, which may hold a part.</summary>
    /// <param name="variable">The environment variable that names another folder.</param>
    /// <param name="folder">The folder, which is to be there.</param>
    public static void RequireDefault(string variable, string folder)
    {
        RequireFolder(folder);
        if (Environment.GetEnvironmentVariable(variable) is not { Length: > 0 })
            return;
        Console.WriteLine($"Not decided: {variable} names a folder that may hold a few families.");
        Assert.Inconclusive($"{variable} names a folder that may hold a few families.");
    }

    private static string Folder(string variable, string beside) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : Path.Combine(RepositoryFolder.Root, "..", "shared", beside);
}
