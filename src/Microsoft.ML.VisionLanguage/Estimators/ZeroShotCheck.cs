using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>A zero-shot task that is measured beside a fit, to see what the model forgets: nothing of it is trained on.</summary>
public sealed class ZeroShotCheck
{
    /// <summary>The pictures with their labels. Required.</summary>
    public IDataView? Data { get; set; }

    /// <summary>The column of pictures: bytes, paths of files, or images.</summary>
    public string ImageColumnName { get; set; } = "Image";

    /// <summary>The column of labels: keys, whose values are the classes, or text, whose different values are.</summary>
    public string LabelColumnName { get; set; } = "Label";

    /// <summary>What is said of a picture of each class, <c>{}</c> or <c>{label}</c> standing for the label; <see cref="ClipTemplates.Default"/> by default.</summary>
    public IReadOnlyList<string> Templates { get; set; } = ClipTemplates.Default;

    /// <summary>Whether labels in templates that are longer than the model reads are cut, the token at their end kept; false by default: they are errors.</summary>
    public bool TruncateTexts { get; set; }

    /// <exception cref="ArgumentException">A setting is missing or out of range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Data);
        PromptEnsemble.Check(Templates, nameof(Templates));
        new PictureColumn(ImageColumnName).Check(SchemaShapes.Of(Data.Schema), $" of {nameof(ZeroShotCheck)}");
        _ = Labels;
    }

    /// <summary>Reads the pictures.</summary>
    /// <param name="run">The run that is measured.</param>
    /// <param name="batchSize">Rows that are run at once.</param>
    /// <param name="token">Ends it early.</param>
    /// <param name="rows">The pictures, which the caller disposes when it no longer asks.</param>
    /// <exception cref="InvalidOperationException">No row has a picture and a label, or a prompt is longer than the model reads.</exception>
    internal ZeroShotAccuracy Open(FitRun run, int batchSize, CancellationToken token, out RowSet rows)
    {
        LabelSet labels = Labels.Read(Data!);
        var pictures = new LabelledPictures(new PictureColumn(ImageColumnName), LabelColumnName, labels, run.Task.Processor);
        var prompts = new PromptEnsemble(labels.Names, Templates);
        var texts = new TowerTexts(run.Task.Tokenizer, run.Task.MaxLength, TruncateTexts);
        Example[] said = [.. prompts.Prompts.Select((prompt, i) => texts.Encode(prompt, prompts.NameOf(i)))];
        rows = RowSet.Read(Data!, pictures.Columns, pictures.CreateReader, token.ThrowIfCancellationRequested);
        if (rows.Examples.Count > 0)
            return new ZeroShotAccuracy(run.Task, prompts, said, rows.Examples, run.Device, batchSize);
        rows.Dispose();
        throw new InvalidOperationException($"{nameof(ZeroShotCheck)}.{nameof(Data)} has no row with a label in '{LabelColumnName}'.");
    }

    private LabelSource Labels => new(labels: null, LabelColumnName, Data);
}
