using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>What is learnt may be numbers.</summary>
[TestClass]
public sealed class RegressionTaskTests
{
    [TestMethod]
    public void NumbersAreLearnt()
    {
        using var bert = new TinyBert();
        var context = TestDevice.NewContext(seed: 1);
        IDataView rows = context.Data.LoadFromEnumerable(Review.Make(48).Select(review => new Rated { Text = review.Text, Label = review.Label == "positive" ? 0.5f : -1.5f }));
        using PeftTransformer model = context.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = bert.Folder,
            Task = new RatingTask(),
            ValidationSet = rows,
            Training = new TrainingOptions { MaxEpochs = 15, BatchSize = 8, LearningRate = 5e-3 },
        }).Fit(rows);
        RegressionMetrics metrics = context.Regression.Evaluate(model.Transform(rows));
        Assert.IsGreaterThan(0.9, metrics.RSquared);
    }

    private sealed class Rated
    {
        public string Text { get; set; } = "";

        public float Label { get; set; }
    }

    internal sealed class NumberColumn(string name) : TaskColumn(name, "Label")
    {
        protected override string Expected => "a Single";

        public Func<float> Read(DataViewRow row)
        {
            var getter = row.GetGetter<float>(Find(row.Schema));
            float value = 0;
            return () =>
            {
                getter(ref value);
                return value;
            };
        }

        protected override bool Fits(SchemaShape.Column column) => column.ItemType == NumberDataViewType.Single;
    }

    internal sealed class RatingTask : PeftTask
    {
        internal TextColumn Text => new("Text", "Text");

        internal NumberColumn Label => new("Label");

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.Column("Score", SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single)];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);
    }

    private sealed class Runtime(RatingTask task, InputProcessor processor, int maxLength)
        : TaskRuntime<float>(task, LabelSet.None, processor, maxLength)
    {
        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            Func<float>? label = withLabels ? task.Label.Read(row) : null;
            return OneEach(() =>
            {
                Example example = Example.From(Tokenizer.Encode(text(), null, MaxLength));
                return label is null ? example : example.With(Fields.Targets, [label()]);
            });
        }

        public override Head CreateHead(PretrainedModel model) => model.As<ISequenceClassifier>().CreateSequenceClassificationHead(1);

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) =>
            (nn.functional.mse_loss(answer, batch.Labels!, nn.Reduction.Sum), batch.Examples.Count);

        public override ITaskMetrics CreateMetrics() => new NoMetrics();

        public override IReadOnlyList<OutputColumn<float>> Outputs => [OutputColumn<float>.Of("Score", NumberDataViewType.Single, score => score)];

        public override IReadOnlyList<float> Predict(Tensor answer, Batch batch) => answer.cpu().contiguous().data<float>().ToArray();
    }

    private sealed class NoMetrics : ITaskMetrics
    {
        public IReadOnlyList<(string Name, double Value)> Result => [];

        public void Add(Tensor answer, Batch batch)
        {
        }
    }
}
