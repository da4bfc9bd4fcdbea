using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>The one implementation behind all estimators that take a model as it is: fitting trains nothing.</summary>
/// <param name="host">The context.</param>
/// <param name="options">The model.</param>
/// <param name="task">What it answers.</param>
/// <param name="maxLength">Tokens at which longer texts are cut; null for what the model says.</param>
/// <param name="adapterPath">A PEFT folder or .gguf file of an adapter over the model; null for the bare model.</param>
/// <param name="allowOtherBase">Whether the adapter may name another base.</param>
internal sealed class UntrainedModel(
    PeftHost host, ModelOptions options, PeftTask task, int? maxLength, string? adapterPath, bool allowOtherBase = false)
{
    /// <summary>What the task chooses among; nothing by default.</summary>
    public LabelSet Labels { get; init; } = LabelSet.None;

    /// <summary>The weights of the task's head, where it has some that nobody trains; null (the default) for a head without. The caller owns them.</summary>
    public ITensorSource? HeadWeights { get; init; }

    public PeftTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        task.CheckScoringSchema(SchemaShapes.Of(input.Schema));
        return Open();
    }

    /// <summary>The same without data.</summary>
    public PeftTransformer Open()
    {
        using var session = new FitSession();
        session.Own(Gradients.AsByDefault());
        Device device = host.ChooseDevice(options.GpuDeviceId, options.FallbackToCpu);
        string source = AdapterFolder.TokenizerOf(adapterPath, options.BaseModel);
        InputProcessor processor = task.OpenProcessor(source, options.TokenizerFolder);
        long seed = host.NewSeed();
        PretrainedModel model = session.Own(BaseModels.Open(options.BaseModel, device, seed, options.Precision));
        // An adapter's tokenizer may have tokens whose rows the adapter brings.
        if (source == options.BaseModel)
            BaseModels.CheckVocabulary(model, processor.TokenizerOrNull);
        AdapterState? adapter = adapterPath is null ? null : session.Own(AdapterFiles.Open(adapterPath, model, allowOtherBase));
        TunerOptions tuner = adapter?.Settings ?? (HeadWeights is null ? new FrozenOptions() : new LinearProbeOptions());
        TaskRuntime runtime = task.Over(model, options.BaseModel).Bind(Labels, processor, BaseModels.MaxLength(model, processor, maxLength, tuner));
        VirtualPlaces.Check(runtime, tuner);
        foreach (string warning in runtime.Warnings)
            host.Warning(warning);
        TunedModel tuned = TunedModelFactory.Create(model, runtime, tuner, seed, adapter?.Tensors ?? HeadWeights, host.Warning);
        session.Own(tuned.Tuner);
        if (task.OwnLabels is not null && tuned.Head.Parameters.FirstOrDefault(weight => weight.IsNew) is { } missing)
            throw new InvalidDataException($"{options.BaseModel}: '{missing.Name}' is missing, without which '{task.Key}' has no answer: the model was saved without it.");
        var transformer = new PeftTransformer(
            host, new ArchivedModel(tuned, runtime, tuner, Path.GetFullPath(options.BaseModel), null, options.EmbedBase, options.ScoringBatchSize), device);
        session.Release(model, tuned.Tuner);
        return transformer;
    }

    public SchemaShape GetOutputSchema(SchemaShape input)
    {
        task.CheckScoringSchema(input);
        return SchemaShapes.Append(input, task.OutputShape(input));
    }
}
