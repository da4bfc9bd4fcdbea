using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;

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

    public sealed override IReadOnlyList<TPrediction> Predict(TorchSharp.torch.Tensor answer, Batch batch) =>
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

    /// <summary>A piece's text.</summary>
    protected string TextOf(GeneratedSequence piece) => TextGenerator.Text(piece, Tokenizer, Settings);
}
