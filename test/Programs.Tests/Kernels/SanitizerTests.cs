using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.TestSupport;

namespace Programs.Tests.Kernels;

/// <summary>Random calls of every native kernel, built with the address and the undefined-behaviour sanitizers (src/Native/tests).</summary>
[TestClass]
public sealed partial class SanitizerTests
{
    private const int Seconds = 12;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);
    private static readonly string Source = Path.Combine(RepositoryFolder.Root, "src", "Native");
    private static readonly string Build = Path.Combine(RepositoryFolder.Root, "artifacts", "native-fuzz");

    [TestMethod]
    public void KernelsDoWhatPlainCodeDoesAndTouchNothingElse()
    {
        var (configured, why) = Run("cmake", "-S", Source, "-B", Build, "-DPEFT_NATIVE_FUZZ=ON", "-DCMAKE_BUILD_TYPE=Release");
        if (configured != 0 && File.Exists(Path.Combine(Build, "CMakeCache.txt")))
        {
            // A checkout that was moved or copied brings a cache that names the old folder.
            Directory.Delete(Build, recursive: true);
            (configured, why) = Run("cmake", "-S", Source, "-B", Build, "-DPEFT_NATIVE_FUZZ=ON", "-DCMAKE_BUILD_TYPE=Release");
        }
        if (configured != 0)
            Assert.Inconclusive($"This machine cannot build with sanitizers: {why}");
        var (built, errors) = Run("cmake", "--build", Build, "--target", "peft_native_fuzz", "--parallel", $"{Environment.ProcessorCount}");
        Assert.AreEqual(0, built, errors);
        var (failed, output) = Run(Path.Combine(Build, "peft_native_fuzz"), $"{Seconds}");
        Console.WriteLine(output);
        Assert.AreEqual(0, failed, output);
    }

    [TestMethod]
    public void EveryKernelOfTheHeaderIsCalled()
    {
        string tests = string.Concat(Directory.GetFiles(Path.Combine(Source, "tests"), "*.cpp").Select(File.ReadAllText));
        string[] kernels = [.. Declaration().Matches(File.ReadAllText(Path.Combine(Source, "peft_native.h"))).Select(match => match.Groups[1].Value)];
        Assert.IsGreaterThan(10, kernels.Length);
        string[] missing = [.. kernels.Where(kernel => !tests.Contains(kernel + "(", StringComparison.Ordinal))];
        Assert.IsEmpty(missing, $"kernels without a FUZZ block in src/Native/tests: {string.Join(", ", missing)}");
    }

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "1";
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(Limit))
            {
                process.Kill(entireProcessTree: true);
                Assert.Fail($"{program} {string.Join(' ', arguments)} took longer than {Limit}.");
            }
            return (process.ExitCode, output.Result + errors.Result);
        }
        catch (Win32Exception e)
        {
            return (-1, $"{program}: {e.Message}");
        }
    }

    [GeneratedRegex(@"^PEFT_API [\w ]+?(peft_\w+)\(", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
