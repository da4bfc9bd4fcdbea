using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What a model says of the token in a gap: an encoder at its mask, a decoder before it, a model that fills blanks behind the text.</summary>
internal static class ClozeHead
{
    /// <exception cref="NotSupportedException">The model has no such head.</exception>
    public static Head Create(PretrainedModel model, Writing writing) => writing switch
    {
        Writing.InBlanks => model.As<IFillsBlanks>().CreateLanguageModelHead(),
        Writing.AtMasks => model.As<IMaskedLanguageModel>().CreateMaskedLanguageModelHead(),
        _ => model.As<ICausalLanguageModel>().CreateLanguageModelHead(),
    };

    /// <summary>Logits of some tokens at the one position that is read [B, tokens].</summary>
    /// <param name="head">The head.</param>
    /// <param name="hidden">[B, 1, hidden]</param>
    /// <param name="tokens">Their ids; null for the whole vocabulary.</param>
    /// <param name="batch">The rows.</param>
    /// <param name="context">The call.</param>
    public static Tensor LogitsOf(Head head, Tensor hidden, int[]? tokens, Batch batch, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor all = head.Forward(hidden, batch, context).squeeze(1);
        return (tokens is null ? all : all.index_select(1, tensor(Array.ConvertAll(tokens, id => (long)id), ScalarType.Int64, all.device))).MoveToOuterDisposeScope();
    }

    /// <summary>The log-likelihood of each row's answer [B], the mean over its tokens or their sum.</summary>
    /// <param name="head">The head.</param>
    /// <param name="hidden">[B, P, hidden]</param>
    /// <param name="batch">The rows, with their answers' tokens.</param>
    /// <param name="context">The call.</param>
    /// <param name="mean">Whether answers of several tokens are to count as much as those of few.</param>
    public static Tensor Likelihood(Head head, Tensor hidden, Batch batch, ForwardContext context, bool mean = true)
    {
        using var scope = NewDisposeScope();
        Tensor tokens = batch[Fields.AnswerTokens.TensorName]!;
        Tensor losses = head is LanguageModelHead decoder
            ? decoder.TokenLosses(hidden, tokens, context).view(tokens.Sizes())
            : nn.functional.cross_entropy(head.Forward(hidden, batch, context).flatten(0, 1), tokens.flatten(), ignore_index: Batch.IgnoredLabel, reduction: nn.Reduction.None).view(tokens.Sizes());
        Tensor sum = losses.sum(1).neg();
        return (mean ? sum.div(tokens.ne(Batch.IgnoredLabel).sum(1).clamp(min: 1)) : sum).MoveToOuterDisposeScope();
    }
}
