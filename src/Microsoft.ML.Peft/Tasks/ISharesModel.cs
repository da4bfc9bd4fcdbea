using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A task that chooses a class, of a row or of each position that it reads, and so can share a forward pass with others.</summary>
/// <typeparam name="TPrediction">What it says of a row.</typeparam>
internal interface ISharesModel<TPrediction>
{
    /// <summary>Whether it classifies the positions that its examples name; else the row as a text.</summary>
    bool ReadsPositions { get; }

    /// <summary>What stands for a row that is not its own.</summary>
    TPrediction Missing { get; }
}

/// <summary>What several tasks say of one row, each at its own place; null where the row is not its own.</summary>
internal sealed class SharedPrediction(int tasks)
{
    private readonly object?[] _parts = new object?[tasks];

    public object? this[int task]
    {
        get => _parts[task];
        set => _parts[task] = value;
    }

    /// <summary>Takes what another says, where this says nothing.</summary>
    public void Add(SharedPrediction other)
    {
        for (int i = 0; i < _parts.Length; i++)
            _parts[i] ??= other[i];
    }
}

/// <summary>One of several tasks over a model, whatever the type of its predictions.</summary>
/// <param name="name">Its name among them.</param>
/// <param name="place">Its place among them.</param>
internal abstract class TaskPart(string name, int place)
{
    public string Name => name;

    public int Place => place;

    public abstract TaskRuntime Runtime { get; }

    /// <summary>Output columns of the task, over what all say.</summary>
    public abstract IEnumerable<OutputColumn<SharedPrediction>> Outputs { get; }

    public static TaskPart Of(string name, int place, TaskRuntime runtime) => runtime.Use(new Creation(name, place));

    /// <summary>The task's logits from what the heads read: of the text's position, or of it and those that the examples name.</summary>
    /// <param name="head">The task's own.</param>
    /// <param name="hidden">[B, 1 + P, hidden]</param>
    /// <param name="batch">The rows.</param>
    /// <param name="context">The call.</param>
    public abstract Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context);

    /// <summary>Writes what the task says of those rows that are its own.</summary>
    public abstract void Predict(Tensor answer, IReadOnlyList<Example> examples, Func<Example, bool> isOwn, IReadOnlyList<SharedPrediction> into);

    private sealed class Creation(string name, int place) : ITaskUse<TaskPart>
    {
        public TaskPart Of<TPrediction>(TaskRuntime<TPrediction> task) => new TaskPart<TPrediction>(name, place, task, (ISharesModel<TPrediction>)task);
    }
}

/// <summary>One of several tasks with predictions of one type.</summary>
internal sealed class TaskPart<TPrediction>(string name, int place, TaskRuntime<TPrediction> task, ISharesModel<TPrediction> shares) : TaskPart(name, place)
{
    public override TaskRuntime Runtime => task;

    public override IEnumerable<OutputColumn<SharedPrediction>> Outputs => task.Outputs.Select(column => new Forwarded(column, Own));

    public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context)
    {
        if (shares.ReadsPositions)
            return task.Answer(head, hidden, batch, context);
        using var scope = NewDisposeScope();
        return task.Answer(head, hidden.narrow(1, 0, 1), batch, context).squeeze(1).MoveToOuterDisposeScope();
    }

    public override void Predict(Tensor answer, IReadOnlyList<Example> examples, Func<Example, bool> isOwn, IReadOnlyList<SharedPrediction> into)
    {
        using Tensor own = shares.ReadsPositions ? answer.narrow(1, 1, answer.size(1) - 1) : answer.alias();
        IReadOnlyList<TPrediction> predictions = task.Predict(own, new Batch { Examples = [.. examples.Select(SharedPositions.WithoutText)] });
        for (int i = 0; i < examples.Count; i++)
        {
            if (isOwn(examples[i]))
                into[i][Place] = predictions[i];
        }
    }

    private TPrediction Own(SharedPrediction all) => all[Place] is TPrediction own ? own : shares.Missing;

    private sealed class Forwarded(OutputColumn<TPrediction> column, Func<SharedPrediction, TPrediction> own)
        : OutputColumn<SharedPrediction>(column.Name, column.Type, column.Annotations)
    {
        public override Delegate CreateGetter(Func<SharedPrediction> current) => column.CreateGetter(() => own(current()));
    }
}

/// <summary>
/// The positions that the heads of several tasks read of a row: that of the text, which the model chooses and which has no label of its own, and behind it
/// what a task names.
/// </summary>
internal static class SharedPositions
{
    public static Example WithText(Example example)
    {
        Example read = example.With(Fields.ReadPositions, [0, .. example.ReadPositions]);
        return example.Labels.Length == 0 ? read : read.With(Fields.Labels, [(int)Batch.IgnoredLabel, .. example.Labels]);
    }

    public static Example WithoutText(Example example) => example.With(Fields.ReadPositions, example.ReadPositions[1..]);
}
