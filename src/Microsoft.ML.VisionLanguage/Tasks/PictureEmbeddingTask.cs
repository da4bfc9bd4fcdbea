using System.Text.Json.Serialization;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Turns a picture into a vector, without training.</summary>
internal sealed class PictureEmbeddingTask : PeftTask
{
    [NotLearnt]
    public required string ImageColumnName { get; init; }

    [NotLearnt]
    public required string OutputColumnName { get; init; }

    /// <summary>Whether vectors get length 1.</summary>
    [NotLearnt]
    public required bool Normalize { get; init; }

    /// <summary>How pictures are read, which the processor keeps.</summary>
    [NotLearnt]
    [JsonIgnore]
    public PictureOptions Pictures { get; init; } = new();

    internal override IReadOnlyList<TaskColumn> Inputs => [Image];

    private PictureColumn Image => new(ImageColumnName);

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single)];

    internal override InputProcessor OpenProcessor(string folder) => PictureProcessor.Load(folder, withTexts: false, Pictures);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

    private sealed class Runtime(PictureEmbeddingTask task, InputProcessor processor, int maxLength)
        : TaskRuntime<float[]>(task, LabelSet.None, processor, maxLength), IEmbeds<byte[]>
    {
        public int Width { get; private set; }

        public Example Encode(byte[] input, string name) => ((PictureProcessor)Processor).Add(new Example(), name, _ => input, learns: false)!;

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<Example, Example?> picture = task.Image.Read(row, Processor, withLabels);
            return OneEach(() => picture(new Example()));
        }

        public override Head CreateHead(PretrainedModel model)
        {
            Width = model.As<IPairedTowers>().Width;
            return new TowersHead(task.Normalize);
        }

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) =>
            throw new NotSupportedException("Picture embedding has no loss: it is not trained.");

        public override ITaskMetrics CreateMetrics() => throw new NotSupportedException("Picture embedding has no metrics: it is not trained.");

        public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
            [OutputColumn<float[]>.Vector(task.OutputColumnName, new VectorDataViewType(NumberDataViewType.Single, Width), vector => vector)];

        public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => Vectors.Of(answer);
    }
}
