using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Data;

/// <summary>
/// What makes a model's tensors of what users have, and goes into an archive with the model: a tokenizer, settings of pictures, or both. A
/// task binds to it. Safe for use by several threads.
/// </summary>
internal abstract class InputProcessor
{
    /// <summary>What its assembly registers it as.</summary>
    /// <exception cref="InvalidOperationException">The assembly does not.</exception>
    public ProcessorEntry Entry => Registries.Shared.Of<ProcessorEntry>(GetType());

    /// <summary>What it goes by beside its files.</summary>
    public virtual JsonObject Settings => [];

    /// <summary>Its files by name, held in memory: a model can be saved when their folder is gone.</summary>
    public virtual IReadOnlyDictionary<string, byte[]> Files { get; } = new Dictionary<string, byte[]>();

    /// <summary>The tokenizer; null for one that reads no text.</summary>
    public virtual TextTokenizer? TokenizerOrNull => null;

    /// <summary>The tokenizer, which tasks over texts ask for.</summary>
    /// <exception cref="NotSupportedException">It reads no text.</exception>
    public TextTokenizer Tokenizer => TokenizerOrNull ?? throw new NotSupportedException(
        "The model's inputs have no tokenizer, and the task is one over texts.");

    /// <summary>The same with further tokens, whose ids follow on the last.</summary>
    /// <exception cref="ArgumentException">A token is empty, or in the vocabulary already.</exception>
    /// <exception cref="NotSupportedException">It has no vocabulary that grows.</exception>
    public virtual InputProcessor WithTokens(IReadOnlyList<string> tokens) =>
        throw new NotSupportedException("The model's inputs have no vocabulary to which tokens could be added.");

    /// <summary>Makes a batch, in training as in scoring; by default of the rows' fields alone.</summary>
    /// <param name="examples">The rows.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="withLabels">Whether what is to be learnt becomes a tensor too.</param>
    public virtual Batch Collate(IReadOnlyList<Example> examples, Device device, bool withLabels) => Batch.Collate(examples, device, withLabels);

    /// <summary>
    /// Varies rows for a step of training (crops of pictures): what is drawn goes with the row to <see cref="Collate"/>. Evaluation and scoring see
    /// rows as they are. By default the same rows.
    /// </summary>
    public virtual IReadOnlyList<Example> Augment(IReadOnlyList<Example> examples, Random random) => examples;

    /// <summary>
    /// Begins a batch on other threads, where it takes time to make one, so that it is there when the one before it is done; by default it is
    /// made when it is asked for.
    /// </summary>
    /// <inheritdoc cref="Collate"/>
    public virtual Pending<Batch> Begin(IReadOnlyList<Example> examples, Device device, bool withLabels) =>
        new(() => Collate(examples, device, withLabels));

    /// <summary>What keeps a column that goes through while rows are read ahead, where its values own memory (images); null for what keeps any column's.</summary>
    public virtual ColumnBuffer? CreateBuffer(DataViewRow row, DataViewSchema.Column column) => null;

    /// <summary>What came up with the rows since the last time it was asked, and is worth a warning: a line each. By default nothing.</summary>
    public virtual IEnumerable<string> TakeWarnings() => [];

    /// <summary>Writes its files into a folder.</summary>
    public void Write(string folder)
    {
        foreach (var (name, content) in Files)
            File.WriteAllBytes(Path.Combine(folder, name), content);
    }
}
