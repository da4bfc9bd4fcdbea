using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>An adapter under a head of starts and ends: logits, loss, the best span, six steps of training.</summary>
internal static class QuestionAnswerParity
{
    // The case's own rule of what an answer may be.
    private const int FirstOfContext = 6, LongestAnswer = 5;

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new LoadedModel(parity);
        Check(parity, loaded, "out.plain_");
        string folder = Path.Combine(parity.Folder, "adapter");
        using ITuner tuner = AdapterFolder.ReadOptions(folder).Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, loaded.Head.Parameters), seed: 1);
        AdapterStart.Import(tuner, folder);
        // PEFT's model for questions takes segments and does not hand them on to its base.
        loaded.ForgetTypes();

        Check(parity, loaded, "out.");
        parity.CheckExactly("out.best_span", BestSpans(parity, Logits(loaded), loaded.Batch.Mask!));
        parity.Check("train.losses", tensor(TunerParity.Train(parity, tuner, context => Loss(parity, loaded.Logits(context)))));
        parity.Check("train.start_log_probs", Logits(loaded).select(-1, 0).log_softmax(-1));
        // The head's bias moves all positions alike, which a softmax over positions does not see: its gradient is rounding, and AdamW makes steps of it.
        double steps = parity.Json["train"]!["lr"]!.GetValue<double>() * parity.Json["train"]!["steps"]!.GetValue<int>();
        parity.CheckTrained(tuner.Export(), name => name.EndsWith("qa_outputs.bias", StringComparison.Ordinal) ? 2 * steps : null);
    }

    private static void Check(ParityCase parity, LoadedModel loaded, string prefix)
    {
        Tensor logits = Logits(loaded);
        parity.Check(prefix + "start_logits", logits.select(-1, 0));
        parity.Check(prefix + "end_logits", logits.select(-1, 1));
        parity.Check(prefix + "loss", Loss(parity, logits));
    }

    // The case's loss is over the whole row, padding too.
    private static Tensor Loss(ParityCase parity, Tensor logits)
    {
        Tensor starts = parity.Input("in.start_positions"), ends = parity.Input("in.end_positions");
        return AnswerSpans.LossSum(logits, starts, ends, real: null) / starts.lt(logits.size(1)).sum();
    }

    private static Tensor BestSpans(ParityCase parity, Tensor logits, Tensor mask)
    {
        long[][] spans = [.. Enumerable.Range(0, (int)logits.size(0)).Select(row =>
        {
            TokenSpan best = AnswerSpans.Best(
                Side(row, 0), Side(row, 1), token => token >= FirstOfContext && mask[row, token].item<bool>(), LongestAnswer, count: 1)[0];
            return new long[] { best.First, best.Last };
        })];
        return tensor(spans.SelectMany(span => span).ToArray()).view(-1, 2);

        float[] Side(int row, int side) => logits[row].select(-1, side).contiguous().cpu().data<float>().ToArray();
    }

    private static Tensor Logits(LoadedModel loaded)
    {
        using var noGrad = no_grad();
        return loaded.Logits(ForwardContext.Inference);
    }
}
