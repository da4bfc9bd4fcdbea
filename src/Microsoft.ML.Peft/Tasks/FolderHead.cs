using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>The classifier that a model's folder brings, with the labels that its config.json names.</summary>
internal sealed class FolderHead
{
    private const string GenericPrefix = "LABEL_", Classifies = "Classification";

    private readonly HfConfig _config;
    private readonly FolderClassifier _found;
    private readonly bool _isGeneric;

    private FolderHead(HfConfig config, FolderClassifier found)
    {
        (_config, _found) = (config, found);
        var given = (config.Id2Label ?? new Dictionary<int, string>()).OrderBy(label => label.Key).ToArray();
        string[] generic = [.. Enumerable.Range(0, found.Classes).Select(i => $"{GenericPrefix}{i}")];
        bool isComplete = found.Classes == 0 || given.Select(label => label.Key).SequenceEqual(Enumerable.Range(0, found.Classes));
        string[] names = isComplete ? [.. given.Select(label => label.Value)] : generic;
        (Labels, _isGeneric) = (LabelSet.Text(names), names.SequenceEqual(generic));
    }

    /// <summary>The labels of its rows; <c>LABEL_0</c> and so on where the folder names none.</summary>
    public LabelSet Labels { get; }

    /// <summary>What the folder brings for the head that was made last; null where it brings nothing, or the head starts anew.</summary>
    public static FolderHead? Of(PretrainedModel model) => model.FolderClassifier is { } found ? new FolderHead(model.Config, found) : null;

    /// <summary>Puts the rows of a head that came from the folder into the order of a task's labels, where both have the same.</summary>
    public void Align(Head head, LabelSet labels)
    {
        if (_found.Classes != labels.Count || labels.OrderIn(Labels) is not { } order)
            return;
        using var noGrad = no_grad();
        foreach (Parameter parameter in head.ClassRows)
        {
            using var scope = NewDisposeScope();
            parameter.Assign(parameter.Value.index_select(0, tensor(order, dtype: ScalarType.Int64, device: parameter.Value.device)));
        }
    }

    /// <summary>Refuses a classifier of other labels, or of another task.</summary>
    /// <returns>What to warn of: labels that could not be compared; null for nothing.</returns>
    /// <exception cref="InvalidOperationException">It is one; the message names its labels and the task's.</exception>
    public string? Check(PeftTask task, LabelSet labels, string folder)
    {
        string head = $"'{folder}' brings a classifier ('{_found.Name}')";
        const string Remedy = "FineTuneOptions.NewHead leaves it out and starts the head anew.";
        if (OtherTask(task) is { } other)
            throw new InvalidOperationException($"{head} of another task: {other}. {Remedy}");
        if (_found.Classes != labels.Count)
            throw new InvalidOperationException($"{head} of {_found.Classes} classes ({Labels}), and the task has {labels.Count} ({labels}). {Remedy}");
        if (labels.OrderIn(Labels) is not null)
            return null;
        return _isGeneric || !labels.HasValues
            ? $"{head} whose labels cannot be compared: it has {(_isGeneric ? "generic names" : Labels)}, and the task {labels}. It is taken as it is, row by row in the task's order."
            : throw new InvalidOperationException($"{head} of other labels: it has {Labels}, and the task {labels}. Labels are matched by their values. {Remedy}");
    }

    // Transformers gives classifiers of several tasks the same name.
    private string? OtherTask(PeftTask task)
    {
        if (_config.Architectures.FirstOrDefault(name => name.EndsWith(Classifies, StringComparison.Ordinal)) is { } architecture
            && !architecture.EndsWith(task.HeadKind!, StringComparison.Ordinal))
            return $"{architecture}{(Labels.Count > 0 ? $" of {Labels}" : "")}";
        if (_found.Classes == 0)
            return "it is not made of the same layers";
        const string Problem = "problem_type", OneLabel = "single_label_classification";
        string problem = _config.String(Problem, OneLabel);
        return problem == OneLabel ? null : $"its {Problem} is '{problem}'";
    }
}
