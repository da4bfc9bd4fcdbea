using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Hosting;

/// <summary>Checks once that ML.NET still has the internal members that this library calls.</summary>
internal static class MlNetInternals
{
    /// <summary>Versions of ML.NET that the library is built and tested for.</summary>
    public const string SupportedVersions = "[5.0.1, 7)";

    private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>The members by full type name and member name, <c>.ctor</c> for a constructor; a test holds them to what is called.</summary>
    public static IReadOnlyList<(string Type, string Member)> Used { get; } =
    [
        ("Microsoft.ML.Data.IInternalCatalog", "Environment"),
        ("Microsoft.ML.LoadableClassAttribute", ".ctor"),
        ("Microsoft.ML.ModelLoadContext", "CheckAtModel"),
        ("Microsoft.ML.ModelLoadContext", "Directory"),
        ("Microsoft.ML.ModelLoadContext", "Repository"),
        ("Microsoft.ML.ModelLoadContext", "TryLoadBinaryStream"),
        ("Microsoft.ML.ModelSaveContext", "CheckAtModel"),
        ("Microsoft.ML.ModelSaveContext", "Directory"),
        ("Microsoft.ML.ModelSaveContext", "Repository"),
        ("Microsoft.ML.ModelSaveContext", "SaveBinaryStream"),
        ("Microsoft.ML.ModelSaveContext", "SetVersionInfo"),
        ("Microsoft.ML.Runtime.ICancelable", "IsCanceled"),
        ("Microsoft.ML.Runtime.IHostEnvironmentInternal", "FallbackToCpu"),
        ("Microsoft.ML.Runtime.IHostEnvironmentInternal", "GpuDeviceId"),
        ("Microsoft.ML.Runtime.IHostEnvironmentInternal", "Seed"),
        ("Microsoft.ML.SchemaShape", "Create"),
        ("Microsoft.ML.SchemaShape", "TryFindColumn"),
        ("Microsoft.ML.SchemaShape+Column", ".ctor"),
        ("Microsoft.ML.VersionInfo", ".ctor"),
    ];

    private static readonly Lazy<string?> s_missing = new(() => FirstMissing(Used));

    /// <exception cref="NotSupportedException">A member is missing; the message names it, and the ML.NET versions found and supported.</exception>
    public static void Check()
    {
        if (s_missing.Value is { } member)
            throw new NotSupportedException($"This library needs {member}, which ML.NET {Version} lacks; it supports {SupportedVersions}.");
    }

    /// <summary>The first of the members that ML.NET lacks; null when it has them all.</summary>
    public static string? FirstMissing(IEnumerable<(string Type, string Member)> members) => members
        .Where(m => Find(m.Type)?.GetMember(m.Member, Any) is not { Length: > 0 })
        .Select(m => $"{m.Type}.{m.Member}")
        .FirstOrDefault();

    private static Type? Find(string type) => Core.GetType(type) ?? typeof(MLContext).Assembly.GetType(type);

    private static Assembly Core => typeof(IHostEnvironment).Assembly;

    private static string Version => Core.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "(unknown)";
}
