using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Prompts;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Tells the class of a picture by texts of the classes, whose context is learned (CoOp, Zhou et al. 2022).</summary>
internal sealed class LearnedPromptsTask : PictureClasses
{
    /// <summary>Vectors of a class; the tokens of <see cref="InitialText"/> count where there is one.</summary>
    public required int ContextLength { get; init; }

    public required ClassPosition ClassPosition { get; init; }

    public required bool ClassSpecific { get; init; }

    /// <summary>The text from whose tokens' vectors they start; null to draw them.</summary>
    public required string? InitialText { get; init; }

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => PictureProcessor.Load(folder, Pictures, tokenizerFolder ?? folder);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Bound(this, labels, processor, maxLength);

    private sealed class Bound(LearnedPromptsTask task, LabelSet labels, InputProcessor processor, int maxLength) : Runtime(task, labels, processor, maxLength)
    {
        public override Head CreateHead(PretrainedModel model)
        {
            int[]? start = task.InitialText is { } text ? ClassPrompts.Tokens(Tokenizer, text) : null;
            int context = start?.Length ?? task.ContextLength;
            var prompts = new ClassPrompts(Tokenizer, Labels.Names, task.ClassPosition, context, model.As<IReadsTokens>().MaxLength);
            return new PromptHead(model, prompts, Labels.Count, context, task.ClassSpecific, start);
        }

        public override void Conclude(TunedModel model) => ((PromptHead)model.Head).Prepare();

        public override IReadOnlyList<float[]> Score(TunedModel model, Batch batch, ForwardContext context)
        {
            using IDisposable? turn = context.Limit?.Enter();
            using Tensor hidden = model.Features(batch, context);
            using Tensor logits = ((PromptHead)model.Head).Score(hidden);
            return Predict(logits, batch);
        }
    }
}
