using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Peft.Interop;

/// <summary>Loads libtorch, and says what to do where that fails: TorchSharp blames a missing reference whatever the reason.</summary>
internal static class LibTorch
{
    private const string Needed = "GLIBCXX_3.4.32";

    private static readonly Lazy<string?> s_failure = new(() => Failure(() => torch.InitializeDeviceType(DeviceType.CPU)));

    /// <exception cref="NotSupportedException">It did not load; the message names the packages, or the property that mends the library, and the loader's own words.</exception>
    public static void Check()
    {
        if (s_failure.Value is { } failure)
            throw new NotSupportedException(failure);
    }

    /// <summary>What went wrong with <paramref name="load"/>; null where nothing did.</summary>
    internal static string? Failure(Action load)
    {
        try
        {
            load();
            return null;
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or EntryPointNotFoundException or NotSupportedException)
        {
            return Explain(LoaderMessage() ?? (e.InnerException ?? e).Message.Split('\n')[0].Trim());
        }
    }

    /// <summary>What to do about the system loader's message.</summary>
    internal static string Explain(string message)
    {
        Version version = typeof(torch).Assembly.GetName().Version!;
        string advice = message.Contains(Needed, StringComparison.Ordinal)
            ? $"This system's libstdc++ is older than {Needed}, of which LibTorchSharp uses nothing: put <PeftPatchLibTorchSharp>true</PeftPatchLibTorchSharp> "
                + "into the program's project file, and the build mends its copy."
            : $"The program needs the package TorchSharp-cpu (or TorchSharp-cuda-windows, TorchSharp-cuda-linux) of version {version.Major}.{version.Minor}.{Math.Max(0, version.Build)}, "
                + $"and no older one beside it, for {RuntimeInformation.RuntimeIdentifier}.";
        return $"libtorch, on which TorchSharp runs, did not load. {advice} The system says: {message}";
    }

    // TorchSharp keeps the loader's words to itself: asked again, it says them.
    private static string? LoaderMessage()
    {
        try
        {
            NativeLibrary.Load("LibTorchSharp", typeof(torch).Assembly, null);
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            return e.Message.Split('\n').Select(line => line.Trim()).FirstOrDefault(line => line.Contains(Needed, StringComparison.Ordinal))
                ?? e.Message.Split('\n')[0].Trim();
        }
    }
}
