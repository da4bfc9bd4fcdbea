using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Merges an adapter into a checkpoint from file to file: the base stays mapped, in its own type.</summary>
internal static class OfflineMerge
{
    public static void Run(string model, string adapterPath, string folder, long shardBytes = ShardedWriter.DefaultShardBytes)
    {
        HfConfig config = HfConfig.Load(model);
        using AdapterState adapter = AdapterFiles.Read(adapterPath, config);
        TextTokenizer tokenizer = TextTokenizer.Load(AdapterFolder.TokenizerOf(Directory.Exists(adapterPath) ? adapterPath : null, model));
        using PretrainedModel opened = ModelRegistry.Create(config, SharedCheckpoint.Acquire(model, CPU, TypeOf(model)), CPU, seed: 0);
        AdapterFiles.CheckBase(adapter, adapterPath, () => opened.Weights.Checkpoint!.ContentHash);
        using ITuner tuner = adapter.Settings.Create();
        Failure.IsInvalidData(adapter.Tensors.Description, () =>
        {
            tuner.Attach(new TuningTarget(opened.Weights, opened.DefaultTargets, [], adapter.Tensors), seed: 0);
            tuner.Import(adapter.Tensors);
            return true;
        });
        MergedFolder.Write(folder, opened.Weights, tuner.MergedWeights(), config, LabelSet.None, TokenizerFiles.Of(tokenizer), model, shardBytes);
    }

    // In the type that most of a checkpoint has, its weights are not copied.
    private static ScalarType TypeOf(string model)
    {
        using ITensorSource source = CheckpointFolder.Open(model);
        return source.Names.Select(source.TypeOf).Where(type => type is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16)
            .GroupBy(type => type).MaxBy(group => group.Count())?.Key ?? ScalarType.Float32;
    }
}
