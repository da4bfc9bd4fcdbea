using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Opens base models from their folders.</summary>
internal static class BaseModels
{
    private const int DefaultMaxLength = 512;

    /// <summary>A model over weights that all models of the same folder share.</summary>
    /// <exception cref="InvalidDataException">A file is malformed, or a weight is NaN or infinite.</exception>
    public static PretrainedModel Open(string folder, Device device, long seed, QuantizationOptions? quantization = null)
    {
        HfConfig config = HfConfig.Load(folder);
        PretrainedModel model = ModelRegistry.Create(config, SharedCheckpoint.Acquire(folder, device), device, seed, quantization);
        return Failure.Disposes(model, () =>
        {
            model.Weights.Checkpoint?.CheckFinite();
            return model;
        });
    }

    /// <summary>A model with the folder's configuration and random weights.</summary>
    public static PretrainedModel Create(string folder, Device device, long seed) =>
        ModelRegistry.Create(HfConfig.Load(folder), checkpoint: null, device, seed);

    /// <summary>
    /// Refuses a tokenizer with tokens that the model's table has no row for (padding needs none, as nothing reads it), and one without those that a
    /// model which fills blanks was taught.
    /// </summary>
    /// <exception cref="InvalidDataException">There is such a token; the message names it.</exception>
    /// <exception cref="NotSupportedException">There is no such token; the message names it.</exception>
    public static void CheckVocabulary(PretrainedModel model, TextTokenizer? tokenizer)
    {
        if (tokenizer is null)
            return;
        if (model is IFillsBlanks)
            BlankTokens.Of(tokenizer, tokenizer.Files[0].Description);
        long rows = model.As<IReadsTokens>().Tokens.Weight.Outputs;
        int[] beyond = [.. tokenizer.Ids.Where(id => id >= rows && id != tokenizer.PadId).Order()];
        if (beyond.Length > 0)
        {
            throw Malformed.File(
                tokenizer.Files[0].Description, $"tokens for the {rows} rows of the model's token table",
                $"'{tokenizer.TokenOf(beyond[0])}' with the id {beyond[0]}{(beyond.Length > 1 ? $" and {beyond.Length - 1} more" : "")}");
        }
    }

    /// <summary>
    /// Tokens of a text at most: the caller's limit as far as the model goes; without one the tokenizer's, if that is below the usual. What a tuner
    /// puts beside a text counts with it.
    /// </summary>
    /// <exception cref="ArgumentException">The caller's limit and the tuner's positions are together more than the model has.</exception>
    public static int MaxLength(PretrainedModel model, InputProcessor processor, int? wanted, TunerOptions tuner)
    {
        int positions = (model as IReadsTokens)?.MaxLength ?? int.MaxValue, added = tuner.AddedPositions, room = positions - added;
        int usual = Math.Min(DefaultMaxLength, processor.TokenizerOrNull?.ModelMaxLength ?? int.MaxValue);
        if (added == 0 || (room > 0 && (wanted is null || wanted <= room)))
            return Math.Min(wanted ?? usual, room);
        string tokens = $"{added} virtual tokens of '{tuner.Key}'";
        throw room > 0
            ? new ArgumentException($"{nameof(ModelOptions.MaxLength)} is {wanted}: with the {tokens} that is more than the {positions} positions of the model, which leave {room} to a text.", nameof(ModelOptions.MaxLength))
            : new ArgumentException($"The {tokens} leave no position to a text: the model has {positions}.", nameof(VirtualTokenOptions.VirtualTokens));
    }
}
