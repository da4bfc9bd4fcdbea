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

        internal override string Key => "chat";

        internal MessagesColumn Messages => new(MessagesColumnName);

        internal override IReadOnlyList<TaskColumn> Inputs => [Messages];

        internal override TaskRuntime Bind(LabelSet labels, TextTokenizer tokenizer, int maxLength) => new Runtime(this, tokenizer, maxLength);

        private static ChatTemplate TemplateOf(TextTokenizer tokenizer) => tokenizer.ChatTemplate ?? throw new ArgumentException(
            "The model has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja): it was not taught to chat.");

        private sealed class Runtime(ChatTask task, TextTokenizer tokenizer, int maxLength)
            : GenerationRuntime(task, tokenizer, maxLength, TemplateOf(tokenizer))
        {
            private readonly ChatTemplate _template = TemplateOf(tokenizer);

            public override IEnumerable<string> Warnings => End is not null ? [] :
                ["The chat template writes no special token behind what the assistant says: the model does not learn where an answer ends, and goes on until its length ends it."];

            public override Func<Example?> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<IReadOnlyList<ChatTurn>> messages = task.Messages.Read(row);
                return withLabels ? () => Learn(messages()) : () => Prompt(Encode(_template.Render(messages(), addGenerationPrompt: true)).Ids);
            }

            private Example? Learn(IReadOnlyList<ChatTurn> messages)
            {
                RenderedChat chat = _template.RenderWithSpans(messages);
                Encoding encoding = Encode(chat.Text);
                int length = Math.Min(encoding.Length, MaxLength);
                int[] learnt = [.. Enumerable.Range(1, Math.Max(0, length - 1)).Where(i => chat.Assistant.Any(span => IsIn(encoding, i, span)))];
                if (learnt.Length == 0)
                    return length < encoding.Length && chat.Assistant.Count > 0 ? Example.CutOff : null;
                return new Example
                {
                    Ids = encoding.Ids[..length],
                    TypeIds = new byte[length],
                    Positions = Array.ConvertAll(learnt, i => i - 1),
                    Labels = Array.ConvertAll(learnt, i => encoding.Ids[i]),
                    Truncated = length < encoding.Length,
                };
            }

            // The template writes the special tokens itself.
            private Encoding Encode(string text) => Tokenizer.Encode(text, addSpecialTokens: false);

            private static bool IsIn(Encoding encoding, int token, TextSpan span) => encoding.Starts[token] >= span.Start && encoding.Starts[token] < span.End;
        }
    }
}
