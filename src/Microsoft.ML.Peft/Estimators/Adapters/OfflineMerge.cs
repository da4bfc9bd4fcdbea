using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Merges an adapter into a checkpoint from file to file: the base stays mapped, in its own type, and is quantized tensor by tensor.</summary>
internal static class OfflineMerge
{
    public static MergeReport Run(
        ModelSource model, string adapterPath, string folder, MergeOptions options, PeftTask task, Action<string>? warn = null,
        long shardBytes = ShardedWriter.DefaultShardBytes)
    {
        ModelPath.Check(model.Path, nameof(model));
        HfConfig config = HfConfig.Load(model.Path);
        using PretrainedModel opened = ModelRegistry.Create(config, Open(model, config), CPU, seed: 0, model.Quantization);
        using AdapterState adapter = AdapterFiles.Open(adapterPath, opened, options.AllowOtherBase);
        InputProcessor processor = task.OpenProcessor(AdapterFolder.TokenizerOf(adapterPath, model.Path), tokenizerFolder: null);
        using ITuner tuner = TunedModelFactory.Attach(
            adapter.Settings, new TuningTarget(opened.Weights, opened.DefaultTargets, [], adapter.Tensors) { Warn = warn }, seed: 0);
        using MergeSample? sample = options.SampleRows is { } rows ? Sample(rows, model, adapter, processor, task) : null;
        return MeasuredMerge.Write(
            folder, new MergeSource(opened.Weights, tuner.MergedWeights(), config, LabelSet.None, null, processor, GenerationConfigFile.TextIn(model.Path)), options, sample, shardBytes);
    }

    // What is quantized on the way is not kept.
    private static SharedCheckpoint Open(ModelSource model, HfConfig config)
    {
        ScalarType type = TypeOf(model.Path);
        return model.Quantization is null
            ? SharedCheckpoint.Acquire(model.Path, CPU, type)
            : SharedCheckpoint.From(CheckpointFolder.Open(model.Path), CPU, type, config, defersPacking: true);
    }

    // A model that runs needs its floats in single precision, and is gone before the merge begins.
    private static MergeSample Sample(IDataView rows, ModelSource source, AdapterState adapter, InputProcessor processor, PeftTask task)
    {
        PretrainedModel model = BaseModels.Open(source.Path, CPU, seed: 0, source.Quantization);
        (TaskRuntime runtime, TunedModel made) = Failure.Disposes(model, () =>
        {
            TaskRuntime runtime = task.Over(model, source.Path).Bind(task.LabelsOf(rows.Schema), processor, BaseModels.MaxLength(model, processor, null, adapter.Settings));
            return (runtime, TunedModelFactory.Create(model, runtime, adapter.Settings, seed: 0, adapter.Tensors));
        });
        var trained = new PeftAdapter(ForwardContext.DefaultAdapter, ForwardContext.DefaultAdapter, made.Tuner, adapter.Settings, isTrained: true);
        using var host = new ModelHost(made, new AdapterTable([trained], trained.Name), nameof(MergeSample));
        var sample = new MergeSample(rows, runtime);
        return Failure.Disposes(sample, () =>
        {
            using ModelLease lease = host.Enter(AdapterChoice.Active);
            sample.Before(lease);
            return sample;
        });
    }

    // In the type that most of a checkpoint has, its weights are not copied.
    private static ScalarType TypeOf(string model)
    {
        using ITensorSource source = CheckpointFolder.Open(model);
        return source.Names.Select(source.TypeOf).Where(type => type is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16)
            .GroupBy(type => type).MaxBy(group => group.Count())?.Key ?? ScalarType.Float32;
    }
}
