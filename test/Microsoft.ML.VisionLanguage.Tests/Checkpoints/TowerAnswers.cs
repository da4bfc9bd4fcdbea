using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Checkpoints;

/// <summary>What a model makes of the same few pictures and texts.</summary>
internal static class TowerAnswers
{
    /// <param name="path">The model.</param>
    /// <returns>[pictures and texts, width]; the caller's scope owns it.</returns>
    public static Tensor Of(string path)
    {
        using var model = (TwoTowerModel)BaseModels.Open(path, CPU, seed: 1);
        return Of(model);
    }

    /// <inheritdoc cref="Of(string)"/>
    public static Tensor Of(TwoTowerModel model)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator(5, CPU);
        var vision = model.Config.Section("vision_config");
        Tensor pixels = randn([2, 3, vision.Int("image_size"), vision.Int("image_size")], ScalarType.Float32, CPU, generator: generator);
        using var texts = new Batch { Ids = tensor(new long[] { 0, 3, 5, 11, 0, 0, 4, 11 }, [2, 4], ScalarType.Int64, CPU), Examples = [] };
        return cat([model.Pictures.Encode(pixels, ForwardContext.Inference), model.Texts.Encode(texts, ForwardContext.Inference)]).squeeze(1).MoveToOuterDisposeScope();
    }
}
