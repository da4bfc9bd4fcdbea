using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>A tower of pictures and a tower of texts, each of whose answers lies in one space, where a picture lies near what is said of it.</summary>
/// <param name="config">The model's config.json.</param>
/// <param name="root">Its place in the weights.</param>
internal abstract class TwoTowerModel(HfConfig config, WeightScope root) : PretrainedModel(config, root), IPairedTowers, IReadsTokens
{
    public abstract IPictureTower Pictures { get; }

    public abstract ITextTower Texts { get; }

    public abstract int Width { get; }

    public abstract Parameter Scale { get; }

    public abstract Parameter? Bias { get; }

    public TokenEmbedding Tokens => Texts.Tokens;

    public int MaxLength => Texts.MaxLength;

    public override IReadOnlyList<string> DefaultTargets => ["q_proj", "v_proj"];

    public override Tensor Features(Batch batch, Head head, ForwardContext context)
    {
        Tensor? pictures = batch.Pixels is { } pixels ? Pictures.Encode(pixels, context) : null;
        if (batch[Fields.Ids.TensorName] is null)
            return pictures ?? throw new ArgumentException("The batch has neither pictures nor texts.", nameof(batch));
        Tensor texts = Texts.Encode(batch, context);
        if (pictures is null)
            return texts;
        using (pictures)
        using (texts)
            return cat([pictures, texts], 1);
    }

    /// <summary>A weight of one number that stands outside the towers.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="start">The number where no checkpoint brings it.</param>
    /// <param name="shape">None, or [1] where the family's checkpoints have it so.</param>
    protected Parameter LoadNumber(string name, double start, params long[] shape)
    {
        Parameter number = Root.Load(name, Init.Zeros, shape);
        if (number.IsNew)
        {
            using Tensor value = full(shape, start, ScalarType.Float32, Weights.Device);
            number.Assign(value);
        }
        return number;
    }
}
