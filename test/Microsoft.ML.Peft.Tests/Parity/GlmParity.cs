using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>GLM as a whole: what stands between its layers, loss and gradients, six steps of all weights, filled blanks; and a classifier on it.</summary>
internal static class GlmParity
{
    private const string Gradient = "out.grad.";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new LoadedModel(parity);
        CheckStates(parity, loaded);
        CheckFills(parity, loaded);
        using ITuner tuner = AllWeights(loaded.Model, loaded.Head);
        CheckGradients(parity, loaded);
        parity.Check("train.losses", tensor(TunerParity.Train(parity, tuner, context => loaded.Loss(loaded.Logits(context)))));
    }

    /// <summary>One classifier, over each of the positions that the model may be told to read.</summary>
    public static void RunClassifier(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        int labels = parity.Json["num_labels"]!.GetValue<int>();
        foreach (string pool in new[] { "start", "pad", "cls" })
        {
            using PretrainedModel model = Open(parity, config => config["pool_token"] = pool);
            Head head = model.As<ISequenceClassifier>().CreateSequenceClassificationHead(labels);
            using Batch batch = LoadedModel.ReadBatch(parity, "in.");
            Tensor Logits(ForwardContext context) => head.Forward(model.Features(batch, head, context), batch, context);
            Tensor Loss(ForwardContext context) => nn.functional.cross_entropy(Logits(context), batch.Labels!);
            using (no_grad())
                parity.Check($"out.{pool}.logits", Logits(ForwardContext.Inference));
            if (pool != "cls")
                continue;
            using ITuner tuner = AllWeights(model, head);
            parity.Check("out.loss", Loss(ForwardContext.Inference));
            parity.Check("train.losses", tensor(TunerParity.Train(parity, tuner, Loss)));
        }
    }

    private static PretrainedModel Open(ParityCase parity, Action<JsonObject> change)
    {
        string folder = Path.Combine(parity.Folder, "model");
        JsonObject json = ExpectedJson.Read(Path.Combine(folder, HfConfig.FileName));
        change(json);
        return ModelRegistry.Create(HfConfig.Parse(json.ToJsonString(), folder), SharedCheckpoint.Acquire(folder, TestDevice.Device), TestDevice.Device, seed: 1);
    }

    private static ITuner AllWeights(PretrainedModel model, Head head)
    {
        ITuner tuner = new FullOptions().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        return tuner;
    }

    // The last state stands before the norm: the last join makes it.
    private static void CheckStates(ParityCase parity, LoadedModel loaded)
    {
        using var noGrad = no_grad();
        var states = new List<Tensor>();
        Sublayer last = loaded.Model.Sites.Sublayers[^1];
        last.Attach(ForwardContext.DefaultAdapter, new Watcher(states));
        parity.Check("out.logits", loaded.Logits(new ForwardContext { BeforeBlock = input => states.Add(input.clone().DetachFromDisposeScope()) }));
        last.Detach(ForwardContext.DefaultAdapter);
        for (int layer = 0; layer < states.Count; layer++)
            parity.Check($"out.hidden.{layer}", states[layer]);
        states.ForEach(state => state.Dispose());
    }

    private static void CheckGradients(ParityCase parity, LoadedModel loaded)
    {
        Tensor loss = loaded.Loss(loaded.Logits(ForwardContext.Inference));
        parity.Check("out.loss", loss);
        BackwardPass.Run(loss);
        foreach (string name in parity.TensorNames.Where(name => name.StartsWith(Gradient, StringComparison.Ordinal)))
            parity.Check(name, loaded.Model.Weights.All.Single(p => p.Name == name[Gradient.Length..]).Value.grad!);
        loaded.Model.Weights.All.ClearGradients();
    }

    private static void CheckFills(ParityCase parity, LoadedModel loaded)
    {
        int[] ends = [Special(parity, "eop"), Special(parity, "eos")];
        int length = parity.Json["out_seq_length"]!.GetValue<int>();
        foreach (string name in new[] { "fill_mask", "fill_gmask" })
            CheckFill(parity, loaded, name, $"out.{name}", length, ends);
        CheckFill(parity, loaded, "fill_gmask", "out.fill_gmask_stopped", length, [(int)parity.Input("in.stop_id").item<long>()]);
        Tensor ids = parity.Input("in.batch_ids");
        parity.CheckExactly("out.batch_greedy", Filled(parity, loaded, ids, parity.Input("in.batch_mask").to(ScalarType.Bool), count: 6, []));
    }

    private static void CheckFill(ParityCase parity, LoadedModel loaded, string input, string output, int count, int[] ends) =>
        parity.CheckExactly(output, Filled(parity, loaded, parity.Input($"in.{input}").unsqueeze(0), mask: null, count, ends));

    /// <summary>The texts, and behind each the pieces that fill its blanks, each behind the token that it begins with.</summary>
    private static Tensor Filled(ParityCase parity, LoadedModel loaded, Tensor ids, Tensor? mask, int count, int[] ends)
    {
        int[] masks = [Special(parity, "MASK"), Special(parity, "sMASK"), Special(parity, "gMASK")];
        int[][] rows = [.. ids.cpu().data<long>().Select(id => (int)id).Chunk((int)ids.size(1))];
        using var texts = new BlankTexts(loaded.Model, loaded.Head, new Batch { Ids = ids, Mask = mask, Examples = [] }, ForwardContext.Inference);
        int start = Special(parity, "sop");
        var pieces = BlankFilling.Fill(
            texts, [.. rows.Select(row => Enumerable.Range(0, row.Length).Where(at => masks.Contains(row[at])).ToArray())], start,
            GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = count, EosTokenIds = ends }));
        long[] all = [.. rows.Zip(pieces).SelectMany(row => row.First.Concat(row.Second.SelectMany(piece => BlankFilling.TokensOf(piece).Prepend(start)))).Select(id => (long)id)];
        return tensor(all).view(rows.Length, -1);
    }

    private static int Special(ParityCase parity, string name) => parity.Json["special_ids"]![name]!.GetValue<int>();

    private sealed class Watcher(List<Tensor> states) : ISublayerTuner
    {
        public Tensor Change(Tensor output, Tensor residual, NormSite? norm, ForwardContext context)
        {
            states.Add(residual.add(output).DetachFromDisposeScope());
            return output.clone();
        }
    }
}
