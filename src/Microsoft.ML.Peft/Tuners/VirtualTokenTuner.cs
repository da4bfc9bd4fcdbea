using System.Globalization;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>Tables of virtual tokens, and what reads them. While they are learnt, networks may make them.</summary>
/// <param name="options">The settings.</param>
internal abstract class VirtualTokenTuner(VirtualTokenOptions options) : PartTuner(options), ITrainingParticipant
{
    /// <summary>The table's name in PEFT's files, where it stands without a prefix.</summary>
    public const string TableName = "prompt_embeddings";

    private IReadOnlyList<VirtualTable> _tables = [];
    private VirtualTokenSizes? _sizes;
    private long _seed;

    protected sealed override IReadOnlyList<string> ModulesToSave => options.ModulesToSave;

    protected sealed override string FilePrefix => PeftNames.PlainPrefix;

    public override TunerOptions SettingsForExport(TunerOptions given) => ((VirtualTokenOptions)given).With(_sizes!);

    /// <summary>Takes tables as they are: what made them in training is not saved.</summary>
    public sealed override void Import(ITensorSource source)
    {
        AfterRun();
        base.Import(source);
    }

    public void BeforeStep(int step)
    {
        foreach (VirtualTable table in _tables)
            table.Draw(Seeds(step));
    }

    public void AfterBackward(int step)
    {
        foreach (VirtualTable table in _tables)
            table.PassGradientOn(Seeds(step));
    }

    public void WeightsChanged()
    {
        foreach (VirtualTable table in _tables)
            table.Make();
    }

    public void AfterRun()
    {
        foreach (VirtualTable table in _tables)
            table.Settle();
    }

    protected sealed override string FileName(string name) => _tables.Any(table => table.Path == name) ? name : FilePrefix + name;

    protected sealed override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        _seed = generator.initial_seed();
        _sizes = SizesOf(target);
        _sizes.Check(options.Sizes);
        _tables = [.. Tables(target, _sizes, generator)];
        WeightsChanged();
        return _tables;
    }

    /// <summary>What the method's files say of the model.</summary>
    /// <exception cref="ArgumentException">The model has no place for virtual tokens.</exception>
    /// <exception cref="NotSupportedException">Its places are of a kind that one table cannot fill.</exception>
    protected abstract VirtualTokenSizes SizesOf(TuningTarget target);

    /// <summary>The tables with their first values, and the networks behind them where no tensor is about to be read.</summary>
    protected abstract IEnumerable<VirtualTable> Tables(TuningTarget target, VirtualTokenSizes sizes, Generator generator);

    /// <summary>A table of so many vectors.</summary>
    /// <param name="target">The model.</param>
    /// <param name="name">The table's name in files.</param>
    /// <param name="parts">How often the virtual tokens stand in it.</param>
    /// <param name="width">Numbers of a vector.</param>
    /// <param name="start">Gives the first values [rows, width], unless they are about to be read; null where a network makes them.</param>
    /// <exception cref="ArgumentException">The saved table has another number of virtual tokens.</exception>
    /// <exception cref="InvalidDataException">The saved table has another shape.</exception>
    protected Parameter NewTable(TuningTarget target, string name, int parts, long width, Func<Tensor>? start)
    {
        long rows = (long)options.Count * parts;
        if (target.Saved is not null)
        {
            if (!IsSaved(target, name))
                throw new InvalidDataException($"{target.Saved.Description}: the table '{name}' is missing.");
            long found = target.Saved!.ShapeOf(name)[0];
            if (found != rows)
            {
                throw new ArgumentException(string.Create(
                    CultureInfo.InvariantCulture, $"num_virtual_tokens is {options.Count}, which makes {rows} rows, and the table '{name}' has {found}."));
            }
            PeftNames.CheckShape(target.Saved, name, [rows, width]);
            start = null;
        }
        Tensor values = start?.Invoke() ?? zeros([rows, width], ScalarType.Float32, target.Weights.Device);
        return new Parameter(name, values.DetachFromDisposeScope(), owned: true);
    }

    /// <summary>Whether a table is about to be read.</summary>
    protected static bool IsSaved(TuningTarget target, string name) => target.Saved?.Names.Contains(name) == true;

    /// <summary>The attentions to their own texts: of an encoder-decoder those of its encoder.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    protected static IReadOnlyList<AttentionSite> SelfAttentions(TuningTarget target)
    {
        AttentionSite[] sites = [.. target.Sites.Attentions.Where(site => site is { Kind: AttentionKind.Self, IsInDecoder: false })];
        return sites.Length > 0 ? sites : throw new ArgumentException("Nothing that is to be tuned attends to its own texts: virtual tokens have no place there.");
    }

    /// <summary>The sizes of virtual tokens that enter beside others.</summary>
    protected static VirtualTokenSizes SizesOfTokens(TuningTarget target)
    {
        IReadOnlyList<AttentionSite> sites = SelfAttentions(target);
        return new VirtualTokenSizes(sites.Count, sites[0].Heads, (int)EntranceOf(target).Tokens.Weight.Inputs, PartsOf(target));
    }

    /// <summary>Where tokens enter; those of an encoder-decoder's texts.</summary>
    /// <exception cref="ArgumentException">There is no such place.</exception>
    protected static InputSite EntranceOf(TuningTarget target) => target.Sites.Inputs.FirstOrDefault()
        ?? throw new ArgumentException("Nothing that is to be tuned reads tokens: virtual ones have no place there.");

    /// <summary>1, or 2 for an encoder-decoder.</summary>
    protected static int PartsOf(TuningTarget target) => target.Sites.Attentions.Any(site => site.IsInDecoder) ? 2 : 1;

    private DropoutSeeds Seeds(int step) => new(unchecked(_seed + step));
}
