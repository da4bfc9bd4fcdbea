using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Turns a picture into a vector, without training.</summary>
internal sealed class PictureEmbeddingTask : PictureTask
{
    [NotLearnt]
    public required string OutputColumnName { get; init; }

    /// <summary>Whether vectors get length 1.</summary>
    [NotLearnt]
    public required bool Normalize { get; init; }

    internal override IReadOnlyList<TaskColumn> Inputs => [Image];

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single)];

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => PictureProcessor.Load(folder, Pictures);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

    private sealed class Runtime(PictureEmbeddingTask task, InputProcessor processor, int maxLength)
        : UntrainedRuntime<float[]>(task, LabelSet.None, processor, maxLength), IEmbeds<byte[]>
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

        public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
            [OutputColumn<float[]>.Vector(task.OutputColumnName, new VectorDataViewType(NumberDataViewType.Single, Width), vector => vector)];

        public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => Vectors.Of(answer);
    }
}
