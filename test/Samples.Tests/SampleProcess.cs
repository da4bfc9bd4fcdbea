using System.Diagnostics;
using System.Text;
using Microsoft.ML.Peft.TestSupport;

namespace Samples.Tests;

/// <summary>A sample as a user starts it: a process, with what it printed.</summary>
internal sealed record SampleProcess(int ExitCode, string Output, string Errors)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static SampleProcess Run(string sample, params string[] arguments) => Run(Limit, sample, arguments);

    public static SampleProcess Run(TimeSpan limit, string sample, params string[] arguments)
    {
        using Process process = Start(sample, arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{sample} {string.Join(' ', arguments)} took longer than {limit}: {output.Result}{errors.Result}");
        }
        return new SampleProcess(process.ExitCode, output.Result, errors.Result);
    }

    public static Process Start(string sample, params string[] arguments) => Process.Start(new ProcessStartInfo("dotnet", ["exec", Program(sample), .. arguments])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        StandardOutputEncoding = Encoding.UTF8,
    })!;

    // Built beside these tests, in the same configuration.
    private static string Program(string sample) => Path.Combine(
        RepositoryFolder.Root, "samples", sample, Path.GetRelativePath(
            Path.Combine(RepositoryFolder.Root, "test", "Samples.Tests"), AppContext.BaseDirectory), sample + ".dll");
}
