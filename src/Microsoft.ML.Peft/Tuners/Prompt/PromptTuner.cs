using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prompt;

/// <summary>One table [tokens, width], read at the model's entrance.</summary>
internal sealed class PromptTuner(PromptOptions options) : InputVectorTuner(options)
{
    protected override IEnumerable<VirtualTable> Tables(TuningTarget target, VirtualTokenSizes sizes, Generator generator) =>
        [Read(target, NewTable(target, TableName, sizes.Parts, sizes.Width, () => Start(target, sizes, generator)), network: null)];
}
