using Microsoft.ML.Data;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What all tasks share whose answer is text that a model writes.</summary>
internal abstract class GenerationTask : PeftTask
{
    [NotLearnt]
    public required string OutputColumnName { get; init; }

    /// <summary>What the user set.</summary>
    [NotLearnt]
    public required GenerationOptions Generation { get; init; }

    /// <summary>What the model's folder says where the user says nothing.</summary>
    [NotLearnt]
    public GenerationOptions? FolderGeneration { get; set; }

    internal override string PeftTaskType => Writing == Writing.Anew ? "SEQ_2_SEQ_LM" : "CAUSAL_LM";

    /// <summary>Texts for each prompt.</summary>
    internal int Texts => Generation.NumReturnSequences ?? 1;

    internal IReadOnlyList<OutputColumn<string[]>> TextColumns => Texts > 1
        ? [OutputColumn<string[]>.Vector(OutputColumnName, new VectorDataViewType(TextDataViewType.Instance, Texts), texts => Array.ConvertAll(texts, text => text.AsMemory()))]
        : [OutputColumn<string[]>.Of(OutputColumnName, TextDataViewType.Instance, texts => texts[0].AsMemory())];

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
    [
        SchemaShapes.Column(OutputColumnName, Texts > 1 ? SchemaShape.Column.VectorKind.Vector : SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance),
    ];

    private protected override PeftTask WithDefaultsOf(string modelFolder)
    {
        HfConfig config = HfConfig.Load(modelFolder);
        var copy = (GenerationTask)MemberwiseClone();
        copy.FolderGeneration = GenerationConfigFile.Load(modelFolder, config);
        // One output column has one type: how many texts it holds is the user's choice alone.
        copy.FolderGeneration.NumReturnSequences = null;
        return copy;
    }
}

/// <summary>Learns the labelled tokens of a row, and writes after a prompt.</summary>
/// <param name="task">The task.</param>
/// <param name="processor">What makes the model's inputs.</param>
/// <param name="maxLength">Tokens of a row at most.</param>
/// <param name="template">What writes the prompts, with ends of its own; null where they come as plain text.</param>
internal abstract class GenerationRuntime(GenerationTask task, InputProcessor processor, int maxLength, ChatTemplate? template = null)
    : LanguageModelRuntime<string[]>(task, processor, maxLength)
{
    private readonly GenerationSettings _settings =
        GenerationSettings.Resolve(task.Generation, task.FolderGeneration, EndTokens.Taught(processor.Tokenizer, task.FolderGeneration, template));

    public override int? End { get; } = template is null ? EndTokens.OfText(processor.Tokenizer, task.FolderGeneration) : EndTokens.OfTurn(template, processor.Tokenizer);

    public override IReadOnlyList<OutputColumn<string[]>> Outputs => task.TextColumns;

    public override IReadOnlyList<string[]> Score(TunedModel model, Batch batch, ForwardContext context)
    {
        var writer = model.Model.As<IWritesTexts>();
        using IDecodingSession session = writer.Open(model.Head, batch, context);
        var found = TextGenerator.Generate(session, writer.PromptsOf(batch), _settings, Tokenizer, [.. batch.Examples.Select(row => row.Ids)]);
        return [.. found.Select(texts => Array.ConvertAll(texts, text => TextGenerator.Text(text, Tokenizer, _settings)))];
    }

    public override IReadOnlyList<string[]> Predict(TorchSharp.torch.Tensor answer, Batch batch) =>
        throw new NotSupportedException($"Task '{Task.Key}' answers token by token.");

    protected static Example Prompt(int[] ids) => new() { Ids = ids };
}
