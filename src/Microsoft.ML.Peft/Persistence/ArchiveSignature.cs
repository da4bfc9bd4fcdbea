using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(
    typeof(PeftTransformer), typeof(ArchiveLoader), null, typeof(SignatureLoadModel), "Fine-tuned model", ArchiveSignature.Loader)]

namespace Microsoft.ML.Peft.Persistence;

/// <summary>How ML.NET knows this library's part of an archive. Nothing here ever changes: the manifest has its own version.</summary>
internal static class ArchiveSignature
{
    public const string Loader = "PeftTransformer";

    private const uint Constant = 0x00010001;

    public static VersionInfo Version { get; } = new(
        "PEFTXFRM", Constant, Constant, Constant, loaderAssemblyName: typeof(PeftTransformer).Assembly.FullName!, loaderSignature: Loader);
}

/// <summary>What ML.NET calls for a saved transformer.</summary>
internal static class ArchiveLoader
{
    public static PeftTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        var host = new PeftHost(env, nameof(PeftTransformer));
        return PeftTransformer.Load(host, new ArchiveReader(ctx));
    }
}
