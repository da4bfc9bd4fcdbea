using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft
{
    /// <summary>How the states of all tokens become one vector.</summary>
    public enum TextPooling
    {
        /// <summary>The mean over the real tokens.</summary>
        Mean,

        /// <summary>The first token ([CLS]).</summary>
        Cls,

        /// <summary>The largest value of each dimension over the real tokens.</summary>
        Max,

        /// <summary>The last real token, the only one of a decoder's that has read the whole text.</summary>
        Last,
    }

    public abstract partial class PeftTask
    {
        /// <summary>Turns a text into a vector, without training.</summary>
        /// <param name="inputColumnName">The text.</param>
        /// <param name="outputColumnName">The vector, of the model's hidden size.</param>
        /// <param name="pooling">How token states become one vector; null (the default) for the last token of a decoder, the mean of other models.</param>
        /// <param name="normalize">Whether vectors get length 1; true by default.</param>
        public static PeftTask TextEmbedding(
            string inputColumnName = "Text", string outputColumnName = "Embedding", TextPooling? pooling = null, bool normalize = true) =>
            new TextEmbeddingTask { InputColumnName = inputColumnName, OutputColumnName = outputColumnName, Pooling = pooling, Normalize = normalize };
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Sentence embeddings (Reimers and Gurevych 2019).</summary>
    internal sealed class TextEmbeddingTask : PeftTask
    {
        [NotLearnt]
        public required string InputColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        [NotLearnt]
        public required TextPooling? Pooling { get; init; }

        [NotLearnt]
        public required bool Normalize { get; init; }

        internal override string PeftTaskType => "FEATURE_EXTRACTION";

        internal TextColumn Input => new(InputColumnName, "Input");

        internal override IReadOnlyList<TaskColumn> Inputs => [Input];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single)];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

        private sealed class Runtime(TextEmbeddingTask task, InputProcessor processor, int maxLength)
            : UntrainedRuntime<float[]>(task, LabelSet.None, processor, maxLength), IEmbeds<string>
        {
            public int Width { get; private set; }

            public Example Encode(string input, string name) => Example.From(Tokenizer.Encode(input, null, MaxLength));

            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> text = task.Input.Read(row);
                return OneEach(() => Encode(text(), task.InputColumnName));
            }

            public override Head CreateHead(PretrainedModel model)
            {
                TextModel text = model.As<TextModel>();
                Width = text.HiddenSize;
                return new PoolingHead(task.Pooling ?? (text.IsCausal ? TextPooling.Last : TextPooling.Mean), task.Normalize);
            }

            public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
                [OutputColumn<float[]>.Vector(task.OutputColumnName, new VectorDataViewType(NumberDataViewType.Single, Width), vector => vector)];

            public override IReadOnlyList<float[]> Predict(Tensor logits, Batch batch) =>
                [.. logits.cpu().contiguous().data<float>().ToArray().Chunk(Width)];
        }

        private sealed class PoolingHead(TextPooling pooling, bool normalize) : Head
        {
            public override IReadOnlyList<Parameter> Parameters => [];

            public override PositionSelection Rows(Batch batch) => pooling switch
            {
                TextPooling.Cls => PositionSelection.First,
                TextPooling.Last => LastToken.Of(batch),
                // A prompt before them is no text.
                _ => PositionSelection.End(batch.Ids.size(1)),
            };

            public override bool ReadsFirst => pooling == TextPooling.Cls;

            public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
            {
                using var scope = NewDisposeScope();
                Tensor? mask = hidden.size(1) == 1 ? null : batch.Mask?.unsqueeze(-1);
                Tensor vector = pooling == TextPooling.Max
                    ? (mask is null ? hidden : hidden.masked_fill(mask.logical_not(), float.NegativeInfinity)).amax(1)
                    : mask is null ? hidden.mean([1]) : (hidden * mask).sum(1) / mask.sum(1);
                return (normalize ? nn.functional.normalize(vector, 2, 1, 1e-12) : vector).MoveToOuterDisposeScope();
            }
        }
    }
}
