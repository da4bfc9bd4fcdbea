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
internal abstract class TwoTowerModel(HfConfig config, WeightScope root) : PretrainedModel(config, root), IPairedTowers, IReadsTokens, IReadsInParts
{
    private static readonly Field<float>
        s_picture = new("picture_vector", Collation.Stacked, ScalarType.Float32), s_text = new("text_vector", Collation.Stacked, ScalarType.Float32);

    public abstract IPictureTower Pictures { get; }

    public abstract ITextTower Texts { get; }

    public abstract int Width { get; }

    public abstract Parameter Scale { get; }

    public abstract Parameter? Bias { get; }

    public TokenEmbedding Tokens => Texts.Tokens;

    public int MaxLength => Texts.MaxLength;

    public override IReadOnlyList<string> DefaultTargets => ["q_proj", "v_proj"];

    /// <summary>The towers, where a batch has what they read. A text's tokens stay: rows of the same text are told by them.</summary>
    public IReadOnlyList<ModelPart> Parts =>
    [
        new(s_picture, Fields.Picture, (batch, context) => batch.Pixels is { } pixels ? Pictures.Encode(pixels, context) : null),
        new(s_text, null, (batch, context) => batch[Fields.Ids.TensorName] is null ? null : Texts.Encode(batch, context)),
    ];

    public override Tensor Features(Batch batch, Head head, ForwardContext context)
    {
        Tensor?[] towers = [.. Parts.Select(part => batch[part.Says.TensorName]?.unsqueeze(1) ?? part.Run(batch, context))];
        if (towers is not [{ } pictures, { } texts])
            return towers[0] ?? towers[1] ?? throw new ArgumentException("The batch has neither pictures nor texts.", nameof(batch));
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
