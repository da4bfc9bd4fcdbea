using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Several tasks over one forward pass. An example names those that it is for.</summary>
/// <param name="task">The tasks together.</param>
/// <param name="choice">The column that names a row's task.</param>
/// <param name="labels">Those of each.</param>
/// <param name="processor">What makes the model's inputs.</param>
/// <param name="maxLength">Tokens of a text at most.</param>
/// <param name="parts">Each task.</param>
internal sealed class SeveralTasksRuntime(PeftTask task, TextColumn choice, LabelSet labels, InputProcessor processor, int maxLength, IReadOnlyList<TaskPart> parts)
    : TaskRuntime<SharedPrediction>(task, labels, processor, maxLength)
{
    private static readonly Field<int> s_tasks = new("tasks", Collation.None);

    public override IReadOnlyList<OutputColumn<SharedPrediction>> Outputs => [.. parts.SelectMany(part => part.Outputs)];

    public override IEnumerable<(IReadOnlyList<string> Columns, LabelSet Labels, int Seen)> LabelsIn(RowSet rows)
    {
        var seen = rows.Examples.GroupBy(GroupOf).ToDictionary(own => own.Key, own => own.SelectMany(row => row.Classes).Distinct().Count());
        return parts.Select(part => (part.Runtime.LabelColumns, part.Runtime.Labels, seen.GetValueOrDefault(part.Place)));
    }

    public override IEnumerable<string> NotesOn(IReadOnlyList<Example> rows)
    {
        // Once over the rows: they may lie on the disk.
        var counts = rows.GroupBy(GroupOf).ToDictionary(own => own.Key, own => own.Count());
        return [$"Tasks: {string.Join(", ", parts.Select(part => $"{counts.GetValueOrDefault(part.Place)} rows of '{part.Name}' ({part.Runtime.Labels})"))}."];
    }

    public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
    {
        Func<string> name = row.Schema.GetColumnOrNull(choice.Name) is null ? () => "" : choice.Read(row);
        Func<IReadOnlyList<Example>>[] readers = [.. parts.Select(part => part.Runtime.CreateReader(row, withLabels))];
        return () =>
        {
            string chosen = name();
            if (chosen.Length == 0)
                return withLabels ? [] : Joined([.. parts.SelectMany(part => readers[part.Place]().Select(example => For(example, part.Place)))]);
            int place = PlaceOf(chosen, row.Position);
            return [.. readers[place]().Select(example => ReferenceEquals(example, Example.CutOff) ? example : For(example, place))];
        };
    }

    public override Head CreateHead(PretrainedModel model) =>
        new SharedHead(model.As<ISeveralClassifiers>(), [.. parts.Select(part => model.As<ISeveralClassifiers>().CreateNamedHead(part.Name, part.Runtime.Labels.Count))]);

    public override int GroupOf(Example example) => example.Get(s_tasks)[0];

    public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context)
    {
        TaskPart part = Only(batch);
        return part.Answer(((SharedHead)head).Parts[part.Place], hidden, batch, context);
    }

    public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => Only(batch).Runtime.Loss(answer, batch);

    public override ITaskMetrics CreateMetrics() => new Metrics(this, parts);

    public override IReadOnlyList<SharedPrediction> Score(TunedModel model, Batch batch, ForwardContext context)
    {
        using IDisposable? turn = context.Limit?.Enter();
        using Tensor hidden = model.Features(batch, context);
        SharedPrediction[] predictions = [.. batch.Examples.Select(_ => new SharedPrediction(parts.Count))];
        foreach (TaskPart part in parts.Where(part => batch.Examples.Any(example => IsFor(example, part))))
        {
            using var scope = NewDisposeScope();
            Tensor answer = part.Answer(((SharedHead)model.Head).Parts[part.Place], hidden, batch, context);
            part.Predict(answer, batch.Examples, example => IsFor(example, part), predictions);
        }
        return predictions;
    }

    /// <exception cref="NotSupportedException">Always: <see cref="Score"/> asks the tasks.</exception>
    public override IReadOnlyList<SharedPrediction> Predict(Tensor answer, Batch batch) =>
        throw new NotSupportedException("Each task predicts from an answer of its own.");

    public override SharedPrediction Join(IReadOnlyList<SharedPrediction> parts)
    {
        foreach (SharedPrediction other in parts.Skip(1))
            parts[0].Add(other);
        return parts[0];
    }

    private static bool IsFor(Example example, TaskPart part) => example.Get(s_tasks).Contains(part.Place);

    private static Example For(Example example, int place) => SharedPositions.WithText(example).With(s_tasks, [place]);

    // Tasks that make the same tokens of a row are answered by one pass over them.
    private static List<Example> Joined(Example[] examples)
    {
        var joined = new List<Example>();
        foreach (Example example in examples)
        {
            int at = joined.FindIndex(other => AreOneInput(example, other));
            if (at < 0)
                joined.Add(example);
            else
                joined[at] = Both(joined[at], example);
        }
        return joined;
    }

    private static bool AreOneInput(Example one, Example other) => one.Ids.AsSpan().SequenceEqual(other.Ids) && one.TypeIds.AsSpan().SequenceEqual(other.TypeIds)
        && (NamesNone(one) || NamesNone(other) || one.ReadPositions.AsSpan().SequenceEqual(other.ReadPositions));

    private static bool NamesNone(Example example) => example.ReadPositions.Length == 1;

    private static Example Both(Example one, Example other)
    {
        Example whole = NamesNone(one) ? other : one;
        return whole.With(s_tasks, [.. one.Get(s_tasks), .. other.Get(s_tasks)]);
    }

    private TaskPart Only(Batch batch) => parts[batch.Examples.Select(GroupOf).Distinct().Single()];

    private int PlaceOf(string name, long row) => parts.FirstOrDefault(part => part.Name == name)?.Place ?? throw new InvalidOperationException(
        $"Row {row}: column '{choice.Name}' names the task '{name}', which there is not; known are {string.Join(", ", parts.Select(part => part.Name))}.");

    /// <summary>The tasks' heads side by side; each reads by itself.</summary>
    private sealed class SharedHead(ISeveralClassifiers model, IReadOnlyList<Head> parts) : Head
    {
        public IReadOnlyList<Head> Parts => parts;

        public override IReadOnlyList<Parameter> Parameters => [.. parts.SelectMany(part => part.Parameters)];

        public override IReadOnlyList<Parameter> ClassRows => [.. parts.SelectMany(part => part.ClassRows)];

        // Behind the text's own place those that the examples name; the backward pass reads them again: left to the caller's scope.
        public override PositionSelection Rows(Batch batch)
        {
            Tensor named = batch.ReadPositions!;
            using Tensor text = model.TextPosition(batch).Indices(named.size(0), batch.Ids.size(1), named.device);
            return PositionSelection.At(cat([text, named.narrow(1, 1, named.size(1) - 1)], 1));
        }

        public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) =>
            throw new NotSupportedException("The heads of several tasks give an answer each.");
    }

    /// <summary>The tasks' own metrics, their names behind those of the tasks.</summary>
    private sealed class Metrics(SeveralTasksRuntime all, IReadOnlyList<TaskPart> parts) : ITaskMetrics
    {
        private readonly ITaskMetrics[] _each = [.. parts.Select(part => part.Runtime.CreateMetrics())];

        public void Add(Tensor answer, Batch batch) => _each[all.Only(batch).Place].Add(answer, batch);

        public IReadOnlyList<(string Name, double Value)> Result =>
            [.. parts.SelectMany(part => _each[part.Place].Result.Select(metric => ($"{part.Name}.{metric.Name}", metric.Value)))];
    }
}
