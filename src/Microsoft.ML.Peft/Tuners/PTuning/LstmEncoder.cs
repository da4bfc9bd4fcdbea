using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.PTuning;

/// <summary>A bidirectional LSTM (Hochreiter and Schmidhuber 1997) over the virtual tokens, and two linear layers with ReLU between them.</summary>
internal sealed class LstmEncoder : TableNetwork
{
    private const int Directions = 2;

    private readonly Parameter _embedding;
    private readonly (LstmDirection Forward, LstmDirection Backward)[] _layers;
    private readonly NetworkLayer _inner, _outer;
    private readonly double _dropout;

    /// <param name="weights">Makes the weights.</param>
    /// <param name="embedding">[rows, width]</param>
    /// <param name="hidden">The width of one direction.</param>
    /// <param name="layers">Layers of the LSTM.</param>
    /// <param name="dropout">Between them.</param>
    /// <param name="inner">The width between the linear layers.</param>
    public LstmEncoder(NetworkWeights weights, Parameter embedding, long hidden, int layers, double dropout, long inner) : base(weights)
    {
        (_embedding, _dropout) = (embedding, layers > 1 ? dropout : 0);
        long width = embedding.Value.size(1);
        _layers = [.. Enumerable.Range(0, layers).Select(layer => (Direction($"l{layer}", layer), Direction($"l{layer}_reverse", layer)))];
        _inner = weights.Linear("mlp_head.0", Directions * hidden, inner);
        _outer = weights.Linear("mlp_head.2", inner, width);

        LstmDirection Direction(string name, int layer) => new(weights, name, layer == 0 ? width : Directions * hidden, hidden);
    }

    public override bool DropsOut => _dropout > 0;

    public override Tensor Forward(DropoutSeeds? seeds)
    {
        Tensor states = _embedding.Value;
        for (int layer = 0; layer < _layers.Length; layer++)
        {
            if (layer > 0 && DropsOut && seeds is not null)
                states = Dropout.Apply(states, seeds.Next(_dropout));
            var (forward, backward) = _layers[layer];
            states = cat([forward.Run(states, fromEnd: false), backward.Run(states, fromEnd: true)], 1);
        }
        return _outer.Forward(_inner.Forward(states).relu());
    }
}

/// <summary>
/// One direction of one layer of an LSTM. TorchSharp has the operator as a module alone, which draws its weights from the process-wide
/// generator; a table's few rows go step by step as well.
/// </summary>
internal sealed class LstmDirection
{
    // Input, forget, cell, output, in PyTorch's order.
    private const int Gates = 4;

    private readonly NetworkLayer _input, _state;
    private readonly long _hidden;

    public LstmDirection(NetworkWeights weights, string name, long inputs, long hidden)
    {
        double bound = 1 / Math.Sqrt(hidden);
        _hidden = hidden;
        _input = new NetworkLayer(weights.Uniform($"lstm_head.weight_ih_{name}", bound, Gates * hidden, inputs), weights.Uniform($"lstm_head.bias_ih_{name}", bound, Gates * hidden));
        _state = new NetworkLayer(weights.Uniform($"lstm_head.weight_hh_{name}", bound, Gates * hidden, hidden), weights.Uniform($"lstm_head.bias_hh_{name}", bound, Gates * hidden));
    }

    /// <summary>The state behind each row.</summary>
    /// <param name="rows">[rows, inputs]</param>
    /// <param name="fromEnd">Whether the last is read first.</param>
    /// <returns>[rows, hidden]</returns>
    public Tensor Run(Tensor rows, bool fromEnd)
    {
        Tensor read = _input.Forward(rows);
        Tensor state = zeros([1, _hidden], ScalarType.Float32, rows.device), cell = zeros_like(state);
        var states = new Tensor[rows.size(0)];
        for (int step = 0; step < states.Length; step++)
        {
            int row = fromEnd ? states.Length - 1 - step : step;
            Tensor[] gates = (read.narrow(0, row, 1) + _state.Forward(state)).chunk(Gates, 1);
            cell = gates[1].sigmoid() * cell + gates[0].sigmoid() * gates[2].tanh();
            state = gates[3].sigmoid() * cell.tanh();
            states[row] = state;
        }
        return cat(states, 0);
    }
}
