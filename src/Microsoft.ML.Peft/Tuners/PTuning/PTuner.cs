using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.PTuning;

/// <summary>One table [tokens, width], made by a network and read at the model's entrance.</summary>
internal sealed class PTuner(PTuningOptions options) : InputVectorTuner(options)
{
    protected override IEnumerable<VirtualTable> Tables(TuningTarget target, VirtualTokenSizes sizes, Generator generator)
    {
        Parameter table = NewTable(target, TableName, sizes.Parts, sizes.Width, start: null);
        return [Read(target, table, IsSaved(target, TableName) ? null : Network(target, sizes, generator))];
    }

    private TableNetwork Network(TuningTarget target, VirtualTokenSizes sizes, Generator generator)
    {
        var weights = new NetworkWeights(TableNetwork.Name, generator);
        bool isAlone = options.Start == VirtualTokenStart.Random;
        Tensor? start = isAlone ? null : Start(target, sizes, generator);
        Parameter embedding = weights.Embedding((long)options.Count * sizes.Parts, sizes.Width, start);
        int hidden = options.EncoderHiddenSize ?? sizes.Width;
        TableNetwork network = options.Encoder switch
        {
            PTuningEncoder.Mlp => new MlpEncoder(weights, embedding, hidden, layers: 3),
            PTuningEncoder.GlmMlp => new MlpEncoder(weights, embedding, hidden, layers: 2),
            PTuningEncoder.GlmLstm => new LstmEncoder(weights, embedding, hidden, options.EncoderNumLayers, options.EncoderDropout, inner: hidden),
            _ => new LstmEncoder(weights, embedding, hidden, options.EncoderNumLayers, options.EncoderDropout, inner: 2L * hidden),
        };
        return isAlone ? network : new BesideVectors(weights, embedding, network);
    }
}
