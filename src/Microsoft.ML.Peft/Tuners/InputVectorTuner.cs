using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>One table of virtual tokens that enter beside those of a row.</summary>
/// <param name="options">The settings.</param>
internal abstract class InputVectorTuner(InputVectorOptions options) : VirtualTokenTuner(options)
{
    private bool _readsFirst;

    /// <summary>A reading place that makes no difference under this head is not in the adapter's way to PEFT.</summary>
    public sealed override TunerOptions SettingsForExport(TunerOptions given)
    {
        var settings = (InputVectorOptions)base.SettingsForExport(given);
        settings.MovesHead = settings.ReadsClassToken && _readsFirst;
        return settings;
    }

    protected sealed override VirtualTokenSizes SizesOf(TuningTarget target) => SizesOfTokens(target);

    /// <summary>The table in the slot of the model's entrance.</summary>
    /// <param name="target">The model.</param>
    /// <param name="table">[tokens · parts, width]</param>
    /// <param name="network">What makes it; null where it trains itself.</param>
    protected PromptTable Read(TuningTarget target, Parameter table, TableNetwork? network)
    {
        _readsFirst = target.ReadsFirst;
        return new PromptTable(EntranceOf(target), table, network, options.Count, options.ReadsClassToken);
    }

    /// <summary>The vectors that the settings say to start from [tokens · parts, width]; of an encoder-decoder's, the second half is sampled where the first is not drawn.</summary>
    protected Tensor Start(TuningTarget target, VirtualTokenSizes sizes, Generator generator)
    {
        long rows = (long)options.Count * sizes.Parts;
        if (options.Start == VirtualTokenStart.Random)
            return normal(0, 1, [rows, sizes.Width], ScalarType.Float32, generator.device, generator: generator);
        if (options.Start != VirtualTokenStart.SampledVocabulary && options.StartTokens.Count == 0)
            throw new InvalidOperationException($"The tokens of {nameof(options.Start)} {options.Start} are not known: an estimator finds them.");
        using var scope = NewDisposeScope();
        TokenEmbedding tokens = EntranceOf(target).Tokens;
        Tensor Vectors(Tensor ids) => tokens.Weight.Rows(ids).to(ScalarType.Float32);
        Tensor[] known = [.. options.StartTokens.Select(ids => Vectors(tensor([.. ids.Select(id => (long)id)], ScalarType.Int64, generator.device)).mean([0], keepdim: true))];
        Tensor drawn = randint(tokens.Weight.Outputs, [rows - known.Length], ScalarType.Int64, generator.device, generator: generator);
        return cat([.. known, Vectors(drawn)], 0).MoveToOuterDisposeScope();
    }
}
