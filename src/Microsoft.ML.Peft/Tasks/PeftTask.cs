using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft;

/// <summary>
/// What a model is to learn or to answer: the columns it reads, the head on the model, the loss, the metrics and the
/// columns it writes. Made by the methods of this class, one for each task.
/// </summary>
public abstract partial class PeftTask
{
    private protected PeftTask() { }

    /// <summary>The stable name in archives.</summary>
    internal abstract string Key { get; }

    /// <summary>PEFT's name of the kind of task; null where it has none.</summary>
    internal virtual string? PeftTaskType => null;

    /// <summary>Column names and settings, for the archive.</summary>
    internal abstract JsonObject ToJson();

    /// <summary>Columns that a fit needs.</summary>
    internal abstract void CheckTrainingSchema(SchemaShape schema);

    /// <summary>Columns that scoring needs.</summary>
    internal abstract void CheckScoringSchema(SchemaShape schema);

    /// <summary>Output columns as a pipeline sees them before it is fitted.</summary>
    internal abstract IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema);

    /// <summary>Reads label values and types from the training data.</summary>
    internal abstract TaskRuntime Bind(DataViewSchema schema, TextTokenizer tokenizer, int maxLength);

    /// <summary>Comes back from an archive.</summary>
    internal abstract TaskRuntime Bind(LabelSet labels, TextTokenizer tokenizer, int maxLength);
}
