using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners.Full;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Makes a transformer of a model that nothing trains.</summary>
internal static class FrozenModel
{
    public static PeftTransformer Open(PeftHost host, ModelOptions options, PeftTask task, int? maxLength, DataViewSchema schema)
    {
        task.CheckTrainingSchema(SchemaShapes.Of(schema));
        Device device = host.ChooseDevice(options.GpuDeviceId, options.FallbackToCpu);
        TextTokenizer tokenizer = TextTokenizer.Load(options.BaseModel);
        PretrainedModel model = BaseModels.Open(options.BaseModel, device, host.Seed, options.Quantization);
        var tuner = new FrozenOptions();
        var (runtime, tuned) = Failure.Disposes(model, () =>
        {
            TaskRuntime bound = task.Bind(schema, tokenizer, BaseModels.MaxLength(model, tokenizer, maxLength));
            return (bound, TunedModelFactory.Create(model, bound, tuner, host.Seed));
        });
        return new PeftTransformer(host, new ArchivedModel(
            tuned, runtime, tuner, TokenizerFiles.Of(tokenizer), Path.GetFullPath(options.BaseModel), null,
            options.EmbedBase, options.ScoringBatchSize), device);
    }
}
