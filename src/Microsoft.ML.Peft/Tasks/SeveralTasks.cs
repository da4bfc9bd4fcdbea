using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Several tasks over one model and what tunes it, each with a linear head of its own (P-tuning v2, Liu et al. 2022): text classification, which
        /// reads an encoder's first position or a decoder's last token, and token classification. They are trained together: a batch holds rows of one task, and the tasks come in
        /// proportion to their rows, in random order.
        /// </summary>
        /// <param name="tasks">The tasks by their names (letters, digits, '-' and '_'), whose output columns must differ.</param>
        /// <param name="taskColumnName">
        /// Each row's task by its name, a text. Training needs it. Where scored data has it, a row's other outputs are missing values; a row that names
        /// none, or data without the column, is answered by every head, in one forward pass where the tasks make the same tokens of it.
        /// </param>
        /// <exception cref="ArgumentException">There are fewer than two tasks, a name has other characters, or a task cannot share a model.</exception>
        public static PeftTask Several(IReadOnlyDictionary<string, PeftTask> tasks, string taskColumnName = "Task")
        {
            ArgumentNullException.ThrowIfNull(tasks);
            ArgumentException.ThrowIfNullOrWhiteSpace(taskColumnName);
            if (tasks.Count < 2)
                throw new ArgumentException($"Two tasks or more share a model, not {tasks.Count}.", nameof(tasks));
            foreach (var (name, task) in tasks)
                SeveralTasks.Check(name, task, nameof(tasks));
            return new SeveralTasks { TaskColumnName = taskColumnName, Tasks = new Dictionary<string, PeftTask>(tasks, StringComparer.Ordinal) };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Several tasks over one model.</summary>
    internal sealed partial class SeveralTasks : PeftTask
    {
        [NotLearnt]
        public required string TaskColumnName { get; init; }

        [NotLearnt]
        [JsonConverter(typeof(TasksJson))]
        public required IReadOnlyDictionary<string, PeftTask> Tasks { get; init; }

        internal TextColumn Choice => new(TaskColumnName, "Task");

        internal override IReadOnlyDictionary<string, PeftTask> Parts => Tasks;

        internal override IReadOnlyList<TaskColumn> Inputs =>
            [.. Tasks.Values.SelectMany(task => task.Inputs).DistinctBy(column => (column.Name, column.GetType()))];

        internal override IReadOnlyList<TaskColumn> OptionalInputs => [Choice];

        internal override IReadOnlyList<TaskColumn> Labels => [Choice, .. Tasks.Values.SelectMany(task => task.Labels)];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) => Tasks.Values.SelectMany(task => task.OutputShape(schema));

        internal override LabelSet LabelsOf(DataViewSchema schema) => LabelSet.OfSeveral(Tasks.Values.Select(task => task.LabelsOf(schema)));

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength)
        {
            if (labels.Parts.Count != Tasks.Count)
                throw new InvalidDataException($"There are labels of {labels.Parts.Count} tasks, and {Tasks.Count} tasks.");
            return new SeveralTasksRuntime(
                this, Choice, labels, processor, maxLength,
                [.. Tasks.Select((task, i) => TaskPart.Of(task.Key, i, task.Value.WrittenBy(Writing).Bind(labels.Parts[i], processor, maxLength)))]);
        }

        /// <exception cref="ArgumentException">The name has other characters than may stand in a weight's, or the task cannot share a model.</exception>
        internal static void Check(string name, PeftTask task, string parameter)
        {
            if (!Name().IsMatch(name))
                throw new ArgumentException($"A task's name has letters, digits, '-' and '_', not '{name}'.", parameter);
            if (task is not { SharesModel: true })
                throw new ArgumentException($"'{name}': a task of kind '{task?.Key}' has its model for itself; text and token classification share one.", parameter);
        }

        internal override void CheckLabels(DataViewSchema schema, LabelSet known, string where)
        {
            foreach (var (task, labels) in Tasks.Values.Zip(known.Parts))
                task.CheckLabels(schema, labels, where);
        }

        [GeneratedRegex("^[A-Za-z0-9_-]+$")]
        private static partial Regex Name();
    }
}
