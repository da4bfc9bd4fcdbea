using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.VirtualTokens;

/// <summary>Tables that a network makes while they are learnt: the network trains, the model reads a leaf.</summary>
[TestClass]
public sealed class TableNetworkTests
{
    private static readonly Dictionary<string, Func<VirtualTokenOptions>> s_methods = new()
    {
        ["prefix-mlp"] = () => new PrefixOptions { VirtualTokens = 3, PrefixProjection = true, EncoderHiddenSize = 8 },
        ["p-tuning-mlp"] = () => new PTuningOptions { VirtualTokens = 3, EncoderHiddenSize = 8, Start = VirtualTokenStart.Random },
        ["p-tuning-lstm"] = () => new PTuningOptions { VirtualTokens = 3, EncoderHiddenSize = 8, Start = VirtualTokenStart.Random, Encoder = PTuningEncoder.Lstm },
        ["p-tuning-mlp-from-tokens"] = () => new PTuningOptions { VirtualTokens = 3, EncoderHiddenSize = 8, Start = VirtualTokenStart.SampledVocabulary },
        ["p-tuning-lstm-from-tokens"] = () => new PTuningOptions { VirtualTokens = 3, EncoderHiddenSize = 8, Encoder = PTuningEncoder.Lstm, Start = VirtualTokenStart.SampledVocabulary },
        ["p-tuning-dropout"] = () => new PTuningOptions { VirtualTokens = 3, EncoderHiddenSize = 8, Start = VirtualTokenStart.Random, Encoder = PTuningEncoder.Lstm, EncoderDropout = 0.5 },
    };

    private readonly TinyDecoder _folder = new(change: config => config["attention_dropout"] = 0.1);
    private readonly TinyDecoder _plain = new();
    private readonly string _checkpoints = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public static IEnumerable<object[]> Methods => s_methods.Keys.Select(method => new object[] { method });

    [TestCleanup]
    public void Remove()
    {
        _folder.Dispose();
        _plain.Dispose();
        if (Directory.Exists(_checkpoints))
            Directory.Delete(_checkpoints, recursive: true);
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void TheLeafHasTheGradientThatTheNetworkWouldHave(string method)
    {
        using TunedModel model = Create(method);
        var tuner = (VirtualTokenTuner)model.Tuner;
        var table = (VirtualTable)tuner.Parts.Single(part => part is VirtualTable);
        tuner.BeforeStep(4);
        using var scope = NewDisposeScope();
        // Two passes whose gradients add up: the sum of squares, and of cubes.
        BackwardPass.Run(table.Table.Value.square().sum());
        BackwardPass.Run(table.Table.Value.pow(3).sum());
        using Tensor before = table.Table.Value.detach().clone();
        tuner.AfterBackward(4);
        Assert.IsNull(table.Table.Value.grad);
        foreach (Parameter parameter in table.Parameters)
        {
            // The derivative along the gradient itself.
            using var inner = NewDisposeScope();
            Tensor direction = parameter.Value.grad!;
            double expected = direction.square().sum().item<float>(), length = Math.Sqrt(expected), step = 2e-3;
            if (length < 1e-3)
                continue;
            double Loss(double along)
            {
                parameter.Assign(parameter.Value + (direction * (along / length)));
                tuner.BeforeStep(4);
                if (method != "p-tuning-dropout")
                    tuner.WeightsChanged();
                Tensor now = table.Table.Value.detach().to(ScalarType.Float64);
                double loss = (now.square().sum() + now.pow(3).sum()).item<double>();
                parameter.Assign(parameter.Value - (direction * (along / length)));
                return loss;
            }
            Assert.AreEqual(length, (Loss(step) - Loss(-step)) / (2 * step), 0.02 * length + 1e-3, parameter.Name);
        }
        tuner.WeightsChanged();
        tuner.BeforeStep(4);
        TensorAssert.Close(before, table.Table.Value, 1e-5, 1e-5, "the table is made again");
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void ARunTrainsTheNetworkAndLeavesTheTableAlone(string method)
    {
        using TunedModel model = Create(method);
        float[] before = Table(model);
        Assert.IsTrue(model.Trainable.All(parameter => parameter.Name.StartsWith("prompt_encoder.", StringComparison.Ordinal) || parameter.Name.StartsWith("score.", StringComparison.Ordinal)));
        float[] bestOfRun = [];
        TinyRun.Train(model, new TrainingOptions { MaxEpochs = 1, BatchSize = 16, LearningRate = 1e-2 }, task: new TinyTask
        {
            OnLoss = (n, loss) => { bestOfRun = Table(model); return loss; },
        });
        Assert.IsGreaterThan(1e-3f, before.Zip(Table(model), (x, y) => Math.Abs(x - y)).Max());
        Assert.IsGreaterThan(1e-3f, bestOfRun.Zip(Table(model), (x, y) => Math.Abs(x - y)).Max(), "The last update counts.");
        CollectionAssert.AreEquivalent(new[] { "prompt_embeddings", "score.weight" }, model.Trainable.Select(p => p.Name).ToArray());
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void CheckpointingLearnsTheSame(string method)
    {
        using TunedModel plain = Create(method), checkpointed = Create(method);
        TrainingOptions Options(bool on) => new() { MaxEpochs = 1, BatchSize = 16, LearningRate = 1e-2, GradientCheckpointing = on };
        TinyRun.Train(plain, Options(false));
        TinyRun.Train(checkpointed, Options(true));
        TinyRun.AreClose(Table(plain), Table(checkpointed), 1e-4);
    }

    [TestMethod]
    [DataRow("prefix-mlp"), DataRow("p-tuning-lstm")]
    public void AccumulatedBatchesLearnWhatOneDoes(string method)
    {
        using TunedModel whole = Create(method, dropout: false), pieces = Create(method, dropout: false);
        TinyRun.Train(whole, new TrainingOptions { MaxEpochs = 1, MaxSteps = 2, BatchSize = 16, LearningRate = 1e-3, GroupByLength = false }, rows: 32);
        TinyRun.Train(pieces, new TrainingOptions { MaxEpochs = 1, MaxSteps = 2, BatchSize = 4, GradientAccumulationSteps = 4, LearningRate = 1e-3, GroupByLength = false }, rows: 32);
        TinyRun.AreClose(Table(whole), Table(pieces), 2e-4);
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void AKilledRunGoesOnToTheBit(string method)
    {
        using TunedModel whole = Create(method), first = Create(method), second = Create(method);
        TinyRun.Train(whole, Options());
        var broken = new TinyTask { OnLoss = (n, loss) => n == 5 ? throw new IOException("power cut") : loss };
        Assert.ThrowsExactly<IOException>(() => TinyRun.Train(first, Options(), task: broken));
        using (var state = SafetensorsFile.Open(Path.Combine(_checkpoints, TrainingCheckpoint.FileName)))
            Assert.IsTrue(state.Names.Contains("weight/prompt_encoder.embedding.weight"), "the network's own weights");
        TinyRun.Train(second, Options());
        CollectionAssert.AreEqual(TinyRun.Weights(whole), TinyRun.Weights(second));

        TrainingOptions Options() => new() { MaxEpochs = 2, BatchSize = 16, LearningRate = 1e-2, CheckpointFolder = _checkpoints, CheckpointEverySteps = 1 };
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void TheBestTableComesBack(string method)
    {
        using TunedModel model = Create(method);
        List<(double Loss, float[] Table)> evaluated = [];
        var result = TinyRun.Train(
            model, new TrainingOptions { MaxEpochs = 3, BatchSize = 16, LearningRate = 5e-2, KeepBest = true }, validation: TinyTask.Rows(16, seed: 9),
            task: new TinyTask { OnLoss = (_, loss) => { evaluated.Add((0, Table(model))); return loss; } });
        Assert.IsTrue(evaluated.Any(seen => seen.Table.SequenceEqual(Table(model))), "a table that was evaluated");
        Assert.IsNotNull(result.BestStep);
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void AFolderHoldsTheTableAloneAndGoesOnFlat(string method)
    {
        using TunedModel model = Create(method);
        using var scope = NewDisposeScope();
        using AdapterState saved = AdapterState.Of("saved", model.Tuner, s_methods[method]());
        CollectionAssert.AreEquivalent(new[] { "prompt_embeddings", "base_model.score.weight" }, saved.Tensors.Names.ToArray());
        using TunedModel loaded = Create(method, saved: saved.Tensors);
        CollectionAssert.AreEquivalent(new[] { "prompt_embeddings", "score.weight" }, loaded.Trainable.Select(p => p.Name).ToArray());
        CollectionAssert.AreEqual(Table(model), Table(loaded));
        TinyRun.Train(loaded, new TrainingOptions { MaxEpochs = 1, BatchSize = 16, LearningRate = 1e-2 });
        Assert.IsGreaterThan(1e-3f, Table(model).Zip(Table(loaded), (x, y) => Math.Abs(x - y)).Max(), "It trains on.");
    }

    private TunedModel Create(string method, bool dropout = true, ITensorSource? saved = null)
    {
        string folder = (dropout ? _folder : _plain).Folder;
        PretrainedModel model = ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 5);
        Head head = model.As<ISequenceClassifier>().CreateSequenceClassificationHead(TinyHead.Classes);
        ITuner tuner = s_methods[method]().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters, saved), seed: 3);
        if (saved is not null)
            tuner.Import(saved);
        return new TunedModel(model, head, tuner);
    }

    private static float[] Table(TunedModel model)
    {
        using var scope = NewDisposeScope();
        return model.Tuner.Export().Single(tensor => tensor.Name == "prompt_embeddings").Value.detach().data<float>().ToArray();
    }
}
