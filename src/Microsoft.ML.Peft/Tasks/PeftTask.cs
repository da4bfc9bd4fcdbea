using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft;

/// <summary>
/// What a model is to learn or to answer: the columns it reads, the head on the model, the loss, the metrics and the
/// columns it writes. Made by the methods of this class, one for each task.
/// </summary>
public abstract partial class PeftTask
{
    // What the task's assembly brings beside it, models among it, is known from now on.
    private protected PeftTask() => Registries.Shared.Include(GetType().Assembly);

    /// <summary>The stable name in archives.</summary>
    internal string Key => Entry.Key;

    internal TaskEntry Entry => Registries.Shared.Of<TaskEntry>(GetType());

    /// <summary>PEFT's name of the kind of task; null where it has none.</summary>
    internal virtual string? PeftTaskType => null;

    /// <summary>What transformers' names end in for models with the head of a task that chooses among classes; null for other tasks.</summary>
    internal virtual string? HeadKind => null;

    /// <summary>Whether it can share a model with other tasks: its runtime is then an <see cref="ISharesModel{TPrediction}"/>.</summary>
    internal virtual bool SharesModel => false;

    /// <summary>The tasks that share a model under names; none for a task that has it for itself.</summary>
    internal virtual IReadOnlyDictionary<string, PeftTask> Parts => new Dictionary<string, PeftTask>();

    /// <summary>The columns that scoring reads, and training too.</summary>
    internal abstract IReadOnlyList<TaskColumn> Inputs { get; }

    /// <summary>How the model says what a text lacks.</summary>
    internal Writing Writing { get; private set; }

    /// <summary>Columns that scoring reads where the data has them; none by default.</summary>
    internal virtual IReadOnlyList<TaskColumn> OptionalInputs => [];

    /// <summary>The columns that training alone reads; none for a task that makes its own labels.</summary>
    internal virtual IReadOnlyList<TaskColumn> Labels => [];

    /// <summary>The labels that the task names itself, so that it answers without training data; null (the default) for one that does not.</summary>
    internal virtual LabelSet? OwnLabels => null;

    /// <summary>Output columns as a pipeline sees them before it is fitted.</summary>
    internal abstract IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema);

    /// <summary>The task with what a model's folder says where the user says nothing (how to generate); by default itself.</summary>
    private protected virtual PeftTask WithDefaultsOf(string modelFolder) => this;

    /// <summary>The task over a model and its folder: what the folder says, and how the model writes.</summary>
    internal PeftTask Over(PretrainedModel model, string folder) => WithDefaultsOf(folder).WrittenBy(WritingModels.Of(model.GetType()));

    /// <summary>The task over a model that says so what a text lacks. The model tells it, from a folder as from an archive.</summary>
    internal PeftTask WrittenBy(Writing writing)
    {
        var copy = (PeftTask)MemberwiseClone();
        copy.Writing = writing;
        return copy;
    }

    /// <summary>What makes the model's inputs, from the files of its folder; by default a tokenizer.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="tokenizerFolder">The folder of another tokenizer; null for the model's own.</param>
    internal virtual InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => TextProcessor.Load(tokenizerFolder ?? folder);

    /// <summary>Joins the task with its labels and what makes its inputs, after a fit as from an archive.</summary>
    internal abstract TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength);

    /// <summary>Label values and types, from the training data.</summary>
    /// <exception cref="ArgumentException">The label column is missing, or has no labels that a task can have.</exception>
    internal virtual LabelSet LabelsOf(DataViewSchema schema) =>
        Labels.OfType<LabelColumn>().Select(label => label.Values(schema)).FirstOrDefault(LabelSet.None);

    /// <summary>Column names and settings, for the archive.</summary>
    internal JsonObject ToJson() => JsonSerializer.SerializeToNode(this, GetType(), AnyText.Options)!.AsObject();

    /// <exception cref="ArgumentException">A column that a fit needs is missing or holds something else.</exception>
    internal void CheckTrainingSchema(SchemaShape schema)
    {
        Check(Inputs.Concat(Labels), schema);
        CheckOutputNames(schema);
    }

    /// <exception cref="ArgumentException">Two output columns have one name, or the data has a column of the name.</exception>
    internal void CheckOutputNames(SchemaShape schema)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in OutputShape(schema).Select(column => column.Name))
        {
            if (!taken.Add(name))
                throw new ArgumentException($"Two output columns are called '{name}': the second would hide the first.");
            if (schema.Any(column => column.Name == name))
                throw new ArgumentException($"The output column '{name}' would hide the data's column of that name: choose another name, or drop the column.");
        }
    }

    /// <exception cref="ArgumentException">A column is missing or holds something else, or labels that the training data does not know.</exception>
    internal void CheckValidationSet(DataViewSchema schema, LabelSet known)
    {
        const string Where = " of the validation set";
        Check(Inputs.Concat(Labels), SchemaShapes.Of(schema), Where);
        CheckLabels(schema, known, Where);
    }

    /// <exception cref="ArgumentException">There are labels that the training data does not know.</exception>
    internal virtual void CheckLabels(DataViewSchema schema, LabelSet known, string where)
    {
        foreach (LabelColumn label in Labels.OfType<LabelColumn>())
            label.PlacesIn(known, schema, where);
    }

    /// <exception cref="ArgumentException">A column that scoring needs is missing or holds something else.</exception>
    internal void CheckScoringSchema(SchemaShape schema) =>
        Check(Inputs.Concat(OptionalInputs.Where(column => schema.Any(there => there.Name == column.Name))), schema);

    private static void Check(IEnumerable<TaskColumn> columns, SchemaShape schema, string where = "")
    {
        foreach (TaskColumn column in columns)
            column.Check(schema, where);
    }
}
