using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace UserAssembly;

/// <summary>Learns a number from texts.</summary>
internal sealed class StarsTask : PeftTask
{
    public required string TextColumnName { get; init; }

    public required string LabelColumnName { get; init; }

    internal TextColumn Text => new(TextColumnName, "Text");

    internal StarsColumn Stars => new(LabelColumnName);

    internal override IReadOnlyList<TaskColumn> Inputs => [Text];

    internal override IReadOnlyList<TaskColumn> Labels => [Stars];

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [SchemaShapes.Column("Score", SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single)];

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

    private sealed class Runtime(StarsTask task, InputProcessor processor, int maxLength) : TaskRuntime<float>(task, LabelSet.None, processor, maxLength)
    {
        public override IReadOnlyList<OutputColumn<float>> Outputs => [OutputColumn<float>.Of("Score", NumberDataViewType.Single, score => score)];

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            Func<float>? stars = withLabels ? task.Stars.Read(row) : null;
            return OneEach(() =>
            {
                Example example = Example.From(Tokenizer.Encode(text(), null, MaxLength));
                return stars is null ? example : example.With(Fields.Targets, [stars()]);
            });
        }

        public override Head CreateHead(PretrainedModel model) => model.As<IRatesTexts>().CreateRatingHead();

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) =>
            (nn.functional.mse_loss(answer, batch.Labels!, nn.Reduction.Sum), batch.Examples.Count);

        public override ITaskMetrics CreateMetrics() => new NoMetrics();

        public override IReadOnlyList<float> Predict(Tensor answer, Batch batch) => answer.cpu().contiguous().data<float>().ToArray();
    }

    private sealed class NoMetrics : ITaskMetrics
    {
        public IReadOnlyList<(string Name, double Value)> Result => [];

        public void Add(Tensor answer, Batch batch) { }
    }
}

/// <summary>A number a row.</summary>
internal sealed class StarsColumn(string name) : TaskColumn(name, "Label")
{
    protected override string Expected => "a Single";

    public Func<float> Read(DataViewRow row)
    {
        ValueGetter<float> getter = row.GetGetter<float>(Find(row.Schema));
        float value = 0;
        return () =>
        {
            getter(ref value);
            return value;
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.ItemType == NumberDataViewType.Single;
}
