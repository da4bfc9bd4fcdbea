using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>Where CLIP reads a text: at the first token that ends it. The only place that knows which token that is.</summary>
/// <remarks>
/// OpenAI's own code reads at the highest id of a row, which their vocabulary's last token, the end token, always is, and their Hugging Face
/// folders say <c>eos_token_id</c> 2 and mean that. Tokens that were added since have higher ids still, so that over their vocabulary the end
/// token itself is looked for. Newer families (MetaCLIP 2) say 2 and mean it.
/// </remarks>
internal sealed class EndOfText
{
    private const int LegacyId = 2, OpenAiVocabulary = 49408;
    private const string LegacyFamily = "clip";

    private readonly int? _id;

    private EndOfText(int? id) => _id = id;

    /// <summary>What a model's config.json means.</summary>
    public static EndOfText Of(HfConfig model)
    {
        HfConfig text = model.Section("text_config");
        int id = text.Int("eos_token_id", LegacyId);
        if (id != LegacyId || model.String("model_type", LegacyFamily) != LegacyFamily)
            return new EndOfText(id);
        return new EndOfText(VocabularyOf(text) >= OpenAiVocabulary ? OpenAiVocabulary - 1 : null);
    }

    /// <summary>The rows of the table of tokens.</summary>
    public static int VocabularyOf(HfConfig text) => text.Int("vocab_size", OpenAiVocabulary);

    /// <summary>The position in each row where the model reads it. The tensor of positions is left to the caller's scope: the backward pass reads it too.</summary>
    /// <param name="ids">[B, S]</param>
    /// <exception cref="InvalidDataException">A row has no end token.</exception>
    public PositionSelection Find(Tensor ids)
    {
        using Tensor ends = _id is { } id ? ids.eq(id) : ids.eq(ids.amax([1], keepdim: true));
        using Tensor marks = ends.to(ScalarType.Int64);
        using Tensor found = ends.any(1);
        CheckAll(found);
        return PositionSelection.At(marks.argmax(1, keepdim: true));
    }

    private void CheckAll(Tensor found)
    {
        using Tensor all = found.all();
        if (all.item<bool>())
            return;
        int row = Array.IndexOf(found.cpu().data<bool>().ToArray(), false);
        throw new InvalidDataException(
            $"Text {row} of the batch has no end token, and the model reads a text there: the tokenizer must end each with the id {_id}, which is the "
            + "end token by text_config of config.json (eos_token_id; CLIP's legacy 2 stands for the last token of OpenAI's vocabulary).");
    }
}
