using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Peft.Interop;

/// <summary>
/// Finds <c>peft_native</c> beside the assembly, in <c>runtimes/&lt;rid&gt;/native</c>, or where the host's probing finds it.
/// The resolver is the only one that this assembly may have: other libraries pass through it to the default search.
/// </summary>
internal static class NativeLibraryLoader
{
    internal const string Name = "peft_native";

    /// <summary>Set to 0, this environment variable keeps the native library out: everything takes TorchSharp's path.</summary>
    internal const string Switch = "PEFT_NATIVE";

    private static readonly Lazy<(nint Handle, string? Failure)> Library = new(Load);

    /// <summary>Why the library is not there; null when it is.</summary>
    internal static string? Failure => Library.Value.Failure;

    // Runs when the assembly is loaded, before any call can need it.
#pragma warning disable CA2255 // a library's module initializer: nothing is loaded here, only the resolver is named
    [ModuleInitializer]
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(NativeLibraryLoader).Assembly, Resolve);
#pragma warning restore CA2255

    private static nint Resolve(string libraryName, Assembly assembly, DllImportSearchPath? searchPath)
        => libraryName == Name ? Library.Value.Handle : 0;

    private static (nint Handle, string? Failure) Load()
    {
        if (Environment.GetEnvironmentVariable(Switch) == "0")
            return (0, $"{Switch}=0 keeps {Name} out.");
        LoadLibtorchFirst();
        Assembly assembly = typeof(NativeLibraryLoader).Assembly;
        foreach (string path in Candidates(assembly).Where(File.Exists))
        {
            if (TryLoad(path, out nint found, out string? failure))
                return (found, null);
            return (0, $"{path} was found but did not load: {failure}");
        }
        return NativeLibrary.TryLoad(Name, assembly, null, out nint handle)
            ? (handle, null)
            : (0, $"{Name} was not built for {RuntimeInformation.RuntimeIdentifier} or not copied.");
    }

    // libtorch brings the OpenMP runtime: loaded second, ours shares its threads instead of bringing a rival pool.
    private static void LoadLibtorchFirst()
    {
        try
        {
            torch.TryInitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or NotSupportedException)
        {
            // Without libtorch nothing else will run; its own error says so better.
        }
    }

    private static IEnumerable<string> Candidates(Assembly assembly)
    {
        string folder = Path.GetDirectoryName(assembly.Location) is { Length: > 0 } beside ? beside : AppContext.BaseDirectory;
        yield return Path.Combine(folder, FileName);
        yield return Path.Combine(folder, "runtimes", PortableRid, "native", FileName);
    }

    private static string FileName
        => OperatingSystem.IsWindows() ? $"{Name}.dll" : OperatingSystem.IsMacOS() ? $"lib{Name}.dylib" : $"lib{Name}.so";

    private static string PortableRid
    {
        get
        {
            string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
            return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        }
    }

    private static bool TryLoad(string path, out nint handle, out string? failure)
    {
        try
        {
            handle = NativeLibrary.Load(path);
            failure = null;
            return true;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            handle = 0;
            failure = e.Message;
            return false;
        }
    }
}
