using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.PTuning;

/// <summary>One table [tokens, width], made by a network and read at the model's entrance.</summary>
internal sealed class PTuner(PTuningOptions options) : VirtualTokenTuner(options)
{
    protected override VirtualTokenSizes SizesOf(TuningTarget target) => SizesOfTokens(target);

    protected override IEnumerable<VirtualTable> Tables(TuningTarget target, VirtualTokenSizes sizes, Generator generator)
    {
        Parameter table = NewTable(target, TableName, sizes.Parts, sizes.Width, start: null);
        return [new PromptTable(EntranceOf(target), table, IsSaved(target, TableName) ? null : Network(sizes, generator), options.Count)];
    }

    private TableNetwork Network(VirtualTokenSizes sizes, Generator generator)
    {
        var weights = new NetworkWeights(TableNetwork.Name, generator);
        Parameter embedding = weights.Embedding((long)options.Count * sizes.Parts, sizes.Width);
        int hidden = options.EncoderHiddenSize ?? sizes.Width;
        return options.Encoder == PTuningEncoder.Mlp
            ? new MlpEncoder(weights, embedding, hidden)
            : new LstmEncoder(weights, embedding, hidden, options.EncoderNumLayers, options.EncoderDropout);
    }
}
