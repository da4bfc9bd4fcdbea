using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Tells the class of a picture by one linear layer over its vector.</summary>
internal sealed class LinearProbeTask : PictureClasses
{
    private const string Module = "linear_probe";

    /// <summary>The names of the layer's weights among the model's.</summary>
    public const string Weight = $"{Module}.{LinearHead.WeightName}", Bias = $"{Module}.{LinearHead.BiasName}";

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => PictureProcessor.Load(folder, Pictures);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Bound(this, labels, processor, maxLength);

    private sealed class Bound(LinearProbeTask task, LabelSet labels, InputProcessor processor, int maxLength) : Runtime(task, labels, processor, maxLength)
    {
        public override Head CreateHead(PretrainedModel model) => new LinearHead(model.Weights.Root[Module], model.As<IPairedTowers>().Width, Labels.Count);
    }
}
