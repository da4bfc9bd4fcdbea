using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>
/// SigLIP's transformer over texts. Every text is filled up to the longest with a token that the model sees like any other, and is read at the last
/// position.
/// </summary>
internal sealed class SiglipTextTower : ITextTower
{
    private static readonly TowerConfig s_usual = new(768, 12, 12, 3072, 1e-6, 0, "gelu_pytorch_tanh");

    private readonly int _filler;
    private readonly InputSite _input;
    private readonly TokenEmbedding _positions;
    private readonly TowerEncoder _encoder;
    private readonly LayerNorm _norm;
    private readonly Projection _head;

    /// <param name="scope">The tower's place in the weights.</param>
    /// <param name="text">The tower's part of config.json.</param>
    public SiglipTextTower(WeightScope scope, HfConfig text)
    {
        TowerConfig config = TowerConfig.From(text, s_usual);
        _filler = text.Int("pad_token_id", 1);
        MaxLength = text.Int("max_position_embeddings", 64);
        Width = text.Int("projection_size", config.Hidden);
        WeightScope embeddings = scope["embeddings"];
        _input = new InputSite(scope, TokenEmbedding.OfVocabulary(embeddings["token_embedding"], text.Int("vocab_size", 32000), config.Hidden));
        _positions = new TokenEmbedding(embeddings["position_embedding"], MaxLength, config.Hidden);
        _encoder = new TowerEncoder(scope["encoder"], config);
        _norm = new LayerNorm(scope["final_layer_norm"], config.Hidden, config.Epsilon);
        _head = new Projection(scope["head"], config.Hidden, Width);
    }

    public TokenEmbedding Tokens => _input.Tokens;

    public int MaxLength { get; }

    /// <summary>The numbers that it makes of a text.</summary>
    public int Width { get; }

    /// <exception cref="NotSupportedException">A tuner lengthens the rows beyond the last position.</exception>
    public Tensor Encode(Batch batch, ForwardContext context)
    {
        using var filled = new Batch { Ids = Fill(batch), Examples = batch.Examples };
        ModelInput input = _input.Enter(filled, PositionSelection.Last, context);
        if (input.Length > MaxLength)
            throw new NotSupportedException($"The model reads rows of {MaxLength} positions, all of which its texts fill: a tuner that lengthens them to {input.Length} has no place.");
        using Tensor states = _encoder.Forward(Embed(input, context), input.Mask, input.Rows, context);
        using Tensor normed = _norm.Forward(states, context);
        return _head.Forward(normed, context);
    }

    /// <summary>The ids with the filler behind each text [B, longest].</summary>
    private Tensor Fill(Batch batch)
    {
        using var scope = NewDisposeScope();
        Tensor ids = batch.Mask is { } real ? where(real, batch.Ids, full_like(batch.Ids, _filler)) : batch.Ids;
        long missing = MaxLength - ids.size(1);
        Tensor filled = missing > 0 ? cat([ids, full([ids.size(0), missing], _filler, ScalarType.Int64, ids.device)], 1) : ids.alias();
        return filled.MoveToOuterDisposeScope();
    }

    private Tensor Embed(ModelInput input, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Tensor vectors = input.Embeddings;
        return Elementwise.Add(vectors, _positions.Forward(input.PlacesOrRange(), context)).MoveToOuterDisposeScope();
    }
}
