using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What the tasks share over a model that fills blanks: it learns the pieces' tokens, and writes pieces.</summary>
/// <param name="task">The task.</param>
/// <param name="processor">What makes the model's inputs.</param>
/// <param name="maxLength">Tokens of a row at most.</param>
internal abstract class BlankRuntime<TPrediction>(GenerationTask task, InputProcessor processor, int maxLength)
    : LanguageModelRuntime<TPrediction>(task, processor, maxLength)
{
    protected BlankReader Reader { get; } = new(processor.Tokenizer, maxLength);

    protected GenerationSettings Settings => GenerationSettings.Resolve(task.Generation, task.FolderGeneration, [Reader.Roles.End, Reader.Roles.EndOfText]);

    public override int? End => Reader.Roles.End;

    public override Head CreateHead(PretrainedModel model) => model.As<IFillsBlanks>().CreateLanguageModelHead();

    /// <returns>[B, P] in training; else [2, B, P], beside what a token costs whether it was the likeliest.</returns>
    public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) =>
        is_grad_enabled() ? base.Answer(head, hidden, batch, context) : BlankMetrics.Judge(head, hidden, batch, context);

    public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => base.Loss(BlankMetrics.LossesOf(answer), batch);

    public override ITaskMetrics CreateMetrics() => new BlankMetrics(base.CreateMetrics());

    public sealed override IReadOnlyList<TPrediction> Predict(Tensor answer, Batch batch) =>
        throw new NotSupportedException($"Task '{Task.Key}' answers token by token.");

    /// <summary>What the model writes into the blanks of each row.</summary>
    protected IReadOnlyList<GeneratedSequence[]> Fill(TunedModel model, Batch batch, ForwardContext context)
    {
        using var texts = new BlankTexts(model.Model, model.Head, batch, context);
        return BlankFilling.Fill(
            texts, [.. batch.Examples.Select(row => row.Get(BlankFields.Blanks))], Reader.Roles.Start, Settings, Tokenizer, [.. batch.Examples.Select(row => row.Ids)]);
    }

    /// <summary>What the model writes into the first blank of each row, in all ways that are asked for.</summary>
    protected IReadOnlyList<GeneratedSequence[]> FillFirst(TunedModel model, Batch batch, ForwardContext context)
    {
        using var texts = new BlankTexts(model.Model, model.Head, batch, context);
        using IDecodingSession session = texts.Open([.. batch.Examples.Select(row => row.Get(BlankFields.Blanks)[0])]);
        int[][] starts = [.. batch.Examples.Select(_ => new[] { Reader.Roles.Start })];
        return TextGenerator.Generate(session, starts, Settings, Tokenizer, [.. batch.Examples.Select(row => row.Ids)]);
    }

    /// <summary>Writes into the blanks of one row, and tells the text of each as it comes.</summary>
    protected void Stream(TunedModel model, Batch row, ForwardContext context, Action<int, TextPiece> write, CancellationToken token)
    {
        using var texts = new BlankTexts(model.Model, model.Head, row, context);
        Example only = row.Examples[0];
        BlankFilling.Stream(texts, only.Get(BlankFields.Blanks), Reader.Roles.Start, Settings, Tokenizer, only.Ids, write, token);
    }

    /// <summary>A text whose first blanks are filled.</summary>
    /// <param name="row">The text.</param>
    /// <param name="pieces">What fills them.</param>
    protected FilledTextBuilder Filled(Example row, IReadOnlyList<GeneratedSequence> pieces)
    {
        var filled = new FilledTextBuilder(row);
        int[] blanks = row.Get(BlankFields.Blanks);
        GenerationSettings settings = Settings;
        for (int i = 0; i < pieces.Count; i++)
        {
            filled.Next();
            filled.Add(TextGenerator.Text(pieces[i], Tokenizer, settings, BlankFilling.Before(row.Ids, blanks, i, i == 0 ? null : pieces[i - 1].Ids, Tokenizer)));
        }
        return filled;
    }
}
