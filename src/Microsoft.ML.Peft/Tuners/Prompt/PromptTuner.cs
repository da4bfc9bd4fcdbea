using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prompt;

/// <summary>One table [tokens, width], read at the model's entrance.</summary>
internal sealed class PromptTuner(PromptOptions options) : VirtualTokenTuner(options)
{
    protected override VirtualTokenSizes SizesOf(TuningTarget target) => SizesOfTokens(target);

    protected override IEnumerable<VirtualTable> Tables(TuningTarget target, VirtualTokenSizes sizes, Generator generator)
    {
        long rows = (long)options.Count * sizes.Parts;
        Func<Tensor> random = () => normal(0, 1, [rows, sizes.Width], ScalarType.Float32, generator.device, generator: generator);
        Parameter table = NewTable(target, TableName, sizes.Parts, sizes.Width, random);
        return [new PromptTable(EntranceOf(target), table, network: null, options.Count)];
    }
}
