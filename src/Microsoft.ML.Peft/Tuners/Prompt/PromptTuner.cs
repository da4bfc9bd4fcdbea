using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prompt;

/// <summary>One table [tokens, width], read at the model's entrance.</summary>
internal sealed class PromptTuner(PromptOptions options) : VirtualTokenTuner(options)
{
    protected override VirtualTokenSizes SizesOf(TuningTarget target)
    {
        AttentionSite[] own = [.. target.Sites.Attentions.Where(site => site.Kind == AttentionKind.Self)];
        return new VirtualTokenSizes(own.Length, own[0].Heads, (int)EntranceOf(target).Tokens.Weight.Inputs);
    }

    protected override int NumbersOf(VirtualTokenSizes sizes) => sizes.Width;

    protected override TunedPart Part(TuningTarget target, Parameter table) => new PromptTable(EntranceOf(target), table);

    private static InputSite EntranceOf(TuningTarget target) => target.Sites.Inputs.FirstOrDefault()
        ?? throw new ArgumentException("Nothing that is to be tuned reads tokens: virtual ones have no place there.");
}

/// <summary>The vectors, in the slot of the entrance.</summary>
/// <param name="site">The entrance.</param>
/// <param name="table">[tokens, width]</param>
internal sealed class PromptTable(InputSite site, Parameter table) : TunedPart, IInputTuner
{
    public override string Path => table.Name;

    public override IReadOnlyList<Parameter> Parameters => [table];

    public ModelInput Change(ModelInput input, ForwardContext context) => input.Behind(table.Value);

    public override void Attach(string adapter) => site.Attach(adapter, this);

    public override void Detach(string adapter) => site.Detach(adapter);
}
