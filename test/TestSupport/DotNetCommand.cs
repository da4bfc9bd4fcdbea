using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Runs the <c>dotnet</c> command as a user would, apart from the build that runs this.</summary>
public static partial class DotNetCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>The command's output; a failure fails the test.</summary>
    public static string Run(string folder, params string[] arguments)
    {
        var (code, output, errors) = Execute(folder, arguments);
        Assert.AreEqual(0, code, $"dotnet {string.Join(' ', arguments)}{Environment.NewLine}{output}{errors}");
        return output;
    }

    /// <summary>All that a program writes which is to fail, with an environment variable of its own.</summary>
    public static string Fail(string folder, (string Name, string Value) variable, string program)
    {
        ProcessStartInfo start = Command(folder, ["exec", program]);
        start.Environment[variable.Name] = variable.Value;
        var (code, output, errors) = Execute(start);
        Assert.AreNotEqual(0, code, output);
        return output + errors;
    }

    /// <summary>Restores; a package that no source has makes the test inconclusive, unless we should have packed it.</summary>
    public static void Restore(string folder, params string[] arguments)
    {
        var (code, output, errors) = Execute(folder, ["restore", .. arguments]);
        output += errors;
        if (code == 0)
            return;
        if (MissingSource().IsMatch(output) && !OwnPackage().IsMatch(output))
            Assert.Inconclusive($"A package could not be restored: {output}");
        Assert.Fail(output);
    }

    [GeneratedRegex("NU1301|NU110[123]")]
    private static partial Regex MissingSource();

    [GeneratedRegex(@"NU110[123]: [^\r\n]*Microsoft\.ML\.(Peft|VisionLanguage)\b")]
    private static partial Regex OwnPackage();

    private static (int Code, string Output, string Errors) Execute(string folder, string[] arguments) => Execute(Command(folder, arguments));

    private static (int Code, string Output, string Errors) Execute(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"dotnet {string.Join(' ', start.ArgumentList)} took longer than {Limit}.");
        }
        return (process.ExitCode, output.Result, errors.Result);
    }

    private static ProcessStartInfo Command(string folder, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The outer build's settings stay out, and no build node outlives the command (it would hold the pipe open).
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        return start;
    }
}
