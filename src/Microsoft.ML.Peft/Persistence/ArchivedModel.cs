using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>All of a model that an archive keeps.</summary>
/// <param name="Model">The model with its tuner.</param>
/// <param name="Task">What it answers.</param>
/// <param name="Tuner">The settings of the tuner.</param>
/// <param name="Tokenizer">The files of the tokenizer.</param>
/// <param name="BaseFolder">Where the base came from; null where it came out of an archive.</param>
/// <param name="BaseSha256">The hash of the base's weights, if it is known.</param>
/// <param name="EmbedBase">Whether an archive holds the base's weights.</param>
/// <param name="BatchSize">Rows scored at once.</param>
internal sealed record ArchivedModel(
    TunedModel Model, TaskRuntime Task, TunerOptions Tuner, TokenizerFiles Tokenizer, string? BaseFolder, string? BaseSha256,
    bool EmbedBase, int BatchSize);
