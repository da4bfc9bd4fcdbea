using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace RealModels.Tests.Expectations;

/// <summary><c>expected-training*.json</c>: an adapter's losses over rows of a data set.</summary>
internal static class TrainingExpectations
{
    public const string Expectations = @"^\$\.(losses|trained_parameters)$";

    // Relative, as the files' "tolerance" states them.
    private const double Early = 1e-4, Late = 1e-3;

    private const int EarlySteps = 10;

    public static void Check(ExpectedJson expected, ExpectationPlace at)
    {
        JsonObject root = expected.Root;
        using PretrainedModel model = ModelExpectationTests.Load(at.Folder);
        TrainingRows rows = TrainingRows.Read(at.Folder, root);
        Head head = rows.CreateHead(model);
        string adapter = Path.Combine(at.Folder, at.Kind.Replace("training", "training-adapter", StringComparison.Ordinal));
        using ITuner tuner = AdapterFolder.ReadOptions(adapter).Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        AdapterStart.Train(tuner, adapter);
        if (root["trained_parameters"] is { } count)
            expected.Close(count, [tuner.Trainable.Sum(p => p.Value.numel())], (_, _) => 0, "trained parameters");

        JsonObject settings = root["optimizer"]!.AsObject();
        double rate = settings["lr"]!.GetValue<double>();
        var decay = new TrainingOptions { WeightDecay = settings["weight_decay"]!.GetValue<double>(), DecayBiasesAndNorms = true };
        using var optimizer = new Optimizer(tuner.Trainable, new TrainingSettings(decay, new TrainingDefaults(rate)));
        IEnumerable<Example[]> batches = rows.Examples.Chunk(root["batch_size"]!.GetValue<int>()).Take(root["losses"]!.AsArray().Count);
        var participants = new Participants(tuner);
        participants.WeightsChanged();
        double[] losses = [.. batches.Select((batch, step) => Step(model, head, optimizer, participants, step, batch, rate))];
        expected.Close(root["losses"]!, losses, (step, loss) => (step < EarlySteps ? Early : Late) * loss, "loss before a step");
    }

    private static double Step(PretrainedModel model, Head head, Optimizer optimizer, Participants participants, int step, Example[] rows, double learningRate)
    {
        using var scope = NewDisposeScope();
        participants.BeforeStep(step);
        using Batch batch = Batch.Collate(rows, CPU, withLabels: true);
        Tensor logits = head.Forward(model.Features(batch, head, ForwardContext.Inference), batch, ForwardContext.Inference);
        Tensor loss = nn.functional.cross_entropy(logits.flatten(0, -2), batch.Labels!.flatten(), ignore_index: Batch.IgnoredLabel);
        BackwardPass.Run(loss);
        participants.AfterBackward(step);
        optimizer.Step(learningRate, gradientScale: 1);
        participants.AfterStep(step, int.MaxValue);
        optimizer.ClearGradients();
        return loss.item<float>();
    }
}
