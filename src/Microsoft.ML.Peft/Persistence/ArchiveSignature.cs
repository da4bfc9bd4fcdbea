using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>How ML.NET knows this library's part of an archive. Nothing here ever changes: the manifest has its own version.</summary>
internal static class ArchiveSignature
{
    public const string Loader = "PeftTransformer";

    private const uint Constant = 0x00010001;

    public static VersionInfo Version { get; } = new(
        "PEFTXFRM", Constant, Constant, Constant, loaderAssemblyName: typeof(ArchiveSignature).Assembly.FullName!, loaderSignature: Loader);
}
