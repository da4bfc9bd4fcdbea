using System.ComponentModel;
using System.Diagnostics;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.TestSupport;

namespace Programs.Tests.Kernels;

/// <summary>The build of the native kernels (eng/Native.targets): where it can, it does, and where not it says why.</summary>
[TestClass, TestCategory("Packaging")]
public sealed class NativeBuildTests
{
    private const string Sources = """
        cmake_minimum_required(VERSION 3.16)
        project(peft_native LANGUAGES CXX)
        add_library(peft_native SHARED peft.cpp)
        """;

    [TestMethod]
    public void KernelsAreThereWhereAToolchainIs()
    {
        if (OperatingSystem.IsWindows() || Environment.GetEnvironmentVariable(NativeLibraryLoader.Switch) == "0")
            Assert.Inconclusive("No kernels are built for this system, or they are switched off.");
        using var scratch = new ScratchFolder();
        if (!Configures(Path.Combine(RepositoryFolder.Root, "src", "Native"), scratch.Root))
            Assert.Inconclusive("This machine has no CMake, C++17 compiler or OpenMP.");
        Assert.IsTrue(PeftNative.IsAvailable, $"This machine can build the kernels, and the tests run without them: {PeftNative.UnavailableReason}");
    }

    [TestMethod]
    public void ACheckoutThatMovedBuildsAnew()
    {
        using var scratch = new ScratchFolder();
        string before = scratch.Folder("before"), after = Path.Combine(scratch.Root, "after");
        Write(before, Sources, "int one() { return 1; }");
        Build(before);
        // With its build folder, whose cache names the old place.
        Directory.Move(before, after);
        Write(after, Sources, "int other() { return 2; }");
        string output = Build(after);
        Assert.DoesNotContain("left out", output);
        StringAssert.Contains(File.ReadAllText(Directory.GetFiles(Path.Combine(after, "artifacts", "native"), "libpeft_native.*").Single()), "other");
    }

    [TestMethod]
    public void WhatCMakeRefusesIsNoMissingToolchain()
    {
        using var scratch = new ScratchFolder();
        Write(scratch.Root, Sources + "\nmessage(FATAL_ERROR \"what is wrong\")", "");
        string output = Build(scratch.Root);
        StringAssert.Contains(output, "left out");
        StringAssert.Contains(output, "what is wrong");
    }

    private static void Write(string folder, string cmake, string code)
    {
        string native = Path.Combine(folder, "src", "Native"), eng = Path.Combine(folder, "eng");
        Directory.CreateDirectory(native);
        Directory.CreateDirectory(eng);
        File.WriteAllText(Path.Combine(native, "CMakeLists.txt"), cmake);
        File.WriteAllText(Path.Combine(native, "peft.cpp"), code);
        File.Copy(Path.Combine(RepositoryFolder.Root, "eng", "Native.targets"), Path.Combine(eng, "Native.targets"), overwrite: true);
        File.WriteAllText(Path.Combine(folder, "sample.proj"), """<Project><Import Project="eng/Native.targets" /></Project>""");
    }

    private static string Build(string folder)
    {
        string output = DotNetCommand.Run(folder, "msbuild", "sample.proj", "-t:BuildPeftNative", "-v:n");
        if (output.Contains("there is no CMake", StringComparison.Ordinal) || OperatingSystem.IsWindows())
            Assert.Inconclusive(output);
        return output;
    }

    private static bool Configures(string source, string build)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("cmake", ["-S", source, "-B", build]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
