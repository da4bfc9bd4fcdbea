using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(
    typeof(PeftTransformer), typeof(ArchiveLoader), null, typeof(SignatureLoadModel), "Fine-tuned model", ArchiveSignature.Loader)]

namespace Microsoft.ML.Peft.Persistence;

/// <summary>What ML.NET calls for a saved transformer.</summary>
internal static class ArchiveLoader
{
    public static PeftTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        var host = new PeftHost(env, nameof(PeftTransformer));
        return PeftTransformer.Load(host, new ArchiveReader(ctx));
    }
}
