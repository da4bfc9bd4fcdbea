using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Writes a completion to a prompt: the completion's tokens and the end behind them are learnt, the prompt's are not. A decoder goes on with
        /// the prompt, and the longest length holds for both together; an encoder-decoder (T5) reads the prompt with its encoder and writes the completion
        /// with its decoder, and the longest length holds for each. A model that fills blanks (GLM) fills one at the prompt's end, or the one that the prompt has.
        /// </summary>
        /// <param name="promptColumnName">
        /// The prompt. A decoder's is joined to the completion as it stands: a line feed between them belongs to one of the two.
        /// </param>
        /// <param name="completionColumnName">The completion to learn; scoring does not read it. A row with an empty one is skipped.</param>
        /// <param name="outputColumnName">What the model writes, a text; a vector of texts where several are asked for.</param>
        /// <param name="generation">How it writes; null (the default) for what the model's folder says.</param>
        /// <exception cref="ArgumentException">A setting of <paramref name="generation"/> is out of range, or does not go with the others.</exception>
        public static PeftTask TextGeneration(
            string promptColumnName = "Prompt", string completionColumnName = "Completion", string outputColumnName = "GeneratedText",
            GenerationOptions? generation = null) => new TextGenerationTask
            {
                PromptColumnName = promptColumnName,
                CompletionColumnName = completionColumnName,
                OutputColumnName = outputColumnName,
                Generation = Checked(generation),
            };

        private static GenerationOptions Checked(GenerationOptions? generation)
        {
            generation ??= new();
            Microsoft.ML.Peft.Generation.GenerationSettings.Resolve(generation);
            return generation;
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Completions of prompts.</summary>
    internal sealed class TextGenerationTask : GenerationTask
    {
        [NotLearnt]
        public required string PromptColumnName { get; init; }

        [NotLearnt]
        public required string CompletionColumnName { get; init; }

        internal TextColumn Prompt => new(PromptColumnName, "Prompt");

        internal TextColumn Completion => new(CompletionColumnName, "Completion");

        internal override IReadOnlyList<TaskColumn> Inputs => [Prompt];

        internal override IReadOnlyList<TaskColumn> Labels => [Completion];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => Writing switch
        {
            Writing.Anew => new AnewRuntime(this, processor, maxLength),
            Writing.InBlanks => new PromptRuntime(this, processor, maxLength),
            _ => new Runtime(this, processor, maxLength),
        };

        /// <summary>The completion goes on with the prompt: one row of both.</summary>
        private sealed class Runtime(TextGenerationTask task, InputProcessor processor, int maxLength)
            : GenerationRuntime(task, processor, maxLength)
        {
            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> prompt = task.Prompt.Read(row);
                if (!withLabels)
                    return OneEach(() => Prompt(Tokenizer.EncodePrompt(prompt())));
                Func<string> completion = task.Completion.Read(row);
                return OneEach(() => Joined(prompt(), completion()));
            }

            // The tokens before the completion are those that scoring will see.
            private Example? Joined(string prompt, string completion)
            {
                if (completion.Length == 0)
                    return null;
                int[] start = Tokenizer.EncodePrompt(prompt);
                Continuation answer = Tokenizer.EncodeAfter(prompt, completion);
                int[] ids = [.. start, .. Ended(answer.Ids)];
                bool cut = ids.Length > MaxLength;
                Example example = NextTokens(cut ? ids[..MaxLength] : ids, start.Length, cut, answer.Splits);
                return example.Labels.Length > 0 ? example : cut ? Example.CutOff : null;
            }
        }

        /// <summary>The completion fills a blank, at the prompt's end or in it.</summary>
        private sealed class PromptRuntime(TextGenerationTask task, InputProcessor processor, int maxLength)
            : BlankRuntime<string[]>(task, processor, maxLength)
        {
            public override IReadOnlyList<OutputColumn<string[]>> Outputs => task.TextColumns;

            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> prompt = task.Prompt.Read(row);
                Func<string>? completion = withLabels ? task.Completion.Read(row) : null;
                return OneEach(() =>
                {
                    Example context = Reader.ReadPrompt(prompt(), $"Row {row.Position}: column '{task.PromptColumnName}'");
                    return completion is null ? context : completion() is { Length: > 0 } text ? Reader.Learnt(context, [text]) : null;
                });
            }

            public override IReadOnlyList<string[]> Score(TunedModel model, Batch batch, ForwardContext context) =>
                [.. batch.Examples.Zip(FillFirst(model, batch, context), (row, texts) => Array.ConvertAll(texts, text => Filled(row, [text]).Piece))];
        }

        /// <summary>The completion is a text of its own: the encoder reads the prompt, the decoder writes.</summary>
        private sealed class AnewRuntime(TextGenerationTask task, InputProcessor processor, int maxLength)
            : GenerationRuntime(task, processor, maxLength)
        {
            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> prompt = task.Prompt.Read(row);
                Func<string>? completion = withLabels ? task.Completion.Read(row) : null;
                return OneEach(() =>
                {
                    Example read = Example.From(Tokenizer.Encode(prompt(), null, MaxLength));
                    return completion is null ? read : Learnt(read, completion());
                });
            }

            public override Head CreateHead(PretrainedModel model) => model.As<IWritesTexts>().CreateLanguageModelHead();

            private Example? Learnt(Example read, string completion)
            {
                if (completion.Length == 0)
                    return null;
                int[] ids = Ended(Tokenizer.Encode(completion).Ids);
                Example learnt = read.With(Fields.Labels, ids[..Math.Min(ids.Length, MaxLength)]);
                return ids.Length > MaxLength ? learnt.With(Fields.Truncated, [true]) : learnt;
            }
        }
    }
}
