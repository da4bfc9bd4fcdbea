using System.Diagnostics;
using System.Reflection;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A test assembly that is started again as a process of its own, to run a command (its entry point is ours: <c>ChildProcess/Program.cs</c>).</summary>
/// <param name="assembly">The assembly.</param>
public sealed class ChildProgram(Assembly assembly)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>The command's output, line by line; a failure fails the test.</summary>
    public string[] Run(params string[] arguments) => Finish(Start(arguments));

    /// <summary>The same with an environment variable.</summary>
    public string[] Run((string Name, string? Value) variable, params string[] arguments) => Run([variable], arguments);

    /// <summary>The same with several.</summary>
    public string[] Run((string Name, string? Value)[] variables, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", CommandLine(arguments));
        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        return Finish(Start(start));
    }

    /// <summary>Starts a command that the caller ends.</summary>
    public Process Start(params string[] arguments) => Start(new ProcessStartInfo("dotnet", CommandLine(arguments)));

    /// <summary>The arguments of <c>dotnet</c> for a command.</summary>
    public string[] CommandLine(params string[] arguments) => ["exec", assembly.Location, .. arguments];

    /// <summary>Runs the command that a line names: COMMAND ARGUMENTS. This is all that an entry point does.</summary>
    /// <exception cref="ArgumentException">There is no such command.</exception>
    public static void Execute(string[] line, IReadOnlyDictionary<string, Action<string[]>> commands)
    {
        if (line.Length == 0 || !commands.TryGetValue(line[0], out Action<string[]>? run))
            throw new ArgumentException($"Expected one of {string.Join(", ", commands.Keys)}, found '{string.Join(' ', line)}'.", nameof(line));
        run(line[1..]);
    }

    /// <summary>Starts any program.</summary>
    public static Process Start(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        return Process.Start(start)!;
    }

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
