using System.Diagnostics;

namespace Microsoft.ML.Peft.Tests.ChildProcess;

/// <summary>Runs one of <see cref="Commands"/> in a process of its own.</summary>
internal static class Child
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>The command's output, line by line; a failure fails the test.</summary>
    public static string[] Run(params string[] arguments) => Finish(Start(arguments));

    /// <summary>The same with an environment variable.</summary>
    public static string[] Run((string Name, string? Value) variable, params string[] arguments) => Run([variable], arguments);

    /// <summary>The same with several.</summary>
    public static string[] Run((string Name, string? Value)[] variables, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", CommandLine(arguments));
        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        return Finish(Start(start));
    }

    /// <summary>Starts a command that the caller ends.</summary>
    public static Process Start(params string[] arguments) => Start(new ProcessStartInfo("dotnet", CommandLine(arguments)));

    /// <summary>Starts any program.</summary>
    public static Process Start(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        return Process.Start(start)!;
    }

    /// <summary>The arguments of <c>dotnet</c> for a command.</summary>
    public static string[] CommandLine(params string[] arguments) => ["exec", typeof(Child).Assembly.Location, .. arguments];

    /// <summary>Waits for a process; gives its output.</summary>
    public static string[] Finish(Process started)
    {
        using Process process = started;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill();
            Assert.Fail($"The process took longer than {Limit}: {output.Result}{errors.Result}");
        }
        Assert.AreEqual(0, process.ExitCode, $"{output.Result}{errors.Result}");
        return output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
