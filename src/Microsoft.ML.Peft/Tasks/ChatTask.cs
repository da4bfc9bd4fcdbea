using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Answers chats, written out by the model's own chat template: what the assistant says is learnt, the rest is not.
        /// </summary>
        /// <param name="messagesColumnName">
        /// The messages: a text that is a JSON array of objects with <c>role</c> and <c>content</c>, as Hugging Face's data sets have it,
        /// or a vector of texts, of which the user says the first, the assistant the second and so on.
        /// </param>
        /// <param name="outputColumnName">What the model answers to the messages, a text; a vector of texts where several are asked for.</param>
        /// <param name="generation">How it writes; null (the default) for what the model's folder says.</param>
        /// <exception cref="ArgumentException">A setting of <paramref name="generation"/> is out of range, or does not go with the others.</exception>
        public static PeftTask Chat(
            string messagesColumnName = "Messages", string outputColumnName = "GeneratedText", GenerationOptions? generation = null) => new ChatTask
            {
                MessagesColumnName = messagesColumnName,
                OutputColumnName = outputColumnName,
                Generation = Checked(generation),
            };
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Answers in chats.</summary>
    internal sealed class ChatTask : GenerationTask
    {
        [NotLearnt]
        public required string MessagesColumnName { get; init; }

        internal MessagesColumn Messages => new(MessagesColumnName);

        internal override IReadOnlyList<TaskColumn> Inputs => [Messages];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

        private static ChatTemplate TemplateOf(TextTokenizer tokenizer) => tokenizer.ChatTemplate ?? throw new ArgumentException(
            "The model has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja): it was not taught to chat.");

        private sealed class Runtime(ChatTask task, InputProcessor processor, int maxLength)
            : GenerationRuntime(task, processor, maxLength, TemplateOf(processor.Tokenizer))
        {
            private readonly ChatTemplate _template = TemplateOf(processor.Tokenizer);

            public override IEnumerable<string> Warnings => End is not null ? [] :
                ["The chat template writes no special token behind what the assistant says: the model does not learn where an answer ends, and goes on until its length ends it."];

            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<IReadOnlyList<ChatTurn>> messages = task.Messages.Read(row);
                return OneEach(withLabels ? () => Learn(messages()) : () => Prompt(Encode(_template.Render(messages(), addGenerationPrompt: true))));
            }

            private Example? Learn(IReadOnlyList<ChatTurn> messages)
            {
                RenderedChat chat = _template.RenderWithSpans(messages);
                (int[] ids, int[] starts, bool splits) = EncodeParts(chat);
                int length = Math.Min(ids.Length, MaxLength);
                int[] learnt = [.. Enumerable.Range(1, Math.Max(0, length - 1)).Where(i => chat.Assistant.Any(span => IsIn(starts[i], span)) && !EndsAgain(ids, i))];
                if (learnt.Length == 0)
                    return length < ids.Length && chat.Assistant.Count > 0 ? Example.CutOff : null;
                return new Example
                {
                    Ids = ids[..length],
                    ReadPositions = Array.ConvertAll(learnt, i => i - 1),
                    Labels = Array.ConvertAll(learnt, i => ids[i]),
                    Truncated = length < ids.Length,
                    SplitsToken = splits,
                };
            }

            // What stands before an answer has the tokens of a prompt for it, whatever the answer begins with.
            private Continuation EncodeParts(RenderedChat chat)
            {
                int[] cuts = [.. chat.Assistant.Select(span => span.Start).Prepend(0).Append(chat.Text.Length).Distinct()];
                var (ids, starts, splits) = (new List<int>(), new List<int>(), false);
                foreach (var (from, to) in cuts.Zip(cuts.Skip(1)))
                {
                    Continuation part = Tokenizer.EncodeAfter(chat.Text[..from], chat.Text[from..to]);
                    ids.AddRange(part.Ids);
                    starts.AddRange(part.Starts.Select(start => from + start));
                    splits |= part.Splits;
                }
                return new([.. ids], [.. starts], splits);
            }

            // An answer may bring the end itself that the template writes.
            private bool EndsAgain(int[] ids, int i) => ids[i] == End && ids[i - 1] == End;

            // The template writes the special tokens itself.
            private int[] Encode(string text) => Tokenizer.Encode(text, addSpecialTokens: false).Ids;

            private static bool IsIn(int start, TextSpan span) => start >= span.Start && start < span.End;
        }
    }
}
