using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>A tuner that adds a term to the loss, acts after every step and keeps state; and a loss over whole batches.</summary>
[TestClass]
public sealed class ParticipantTests
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    [TestCleanup]
    public void RemoveFolder()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void ATermPullsTheWeights()
    {
        using TunedModel plain = Create(pull: 0), pulled = Create(pull: 5);
        double without = TinyRun.Train(plain, new TrainingOptions { MaxEpochs = 6, BatchSize = 8, LearningRate = 1e-2 }).Loss;
        double with = TinyRun.Train(pulled, new TrainingOptions { MaxEpochs = 6, BatchSize = 8, LearningRate = 1e-2 }).Loss;
        Assert.IsLessThan(0.7 * Size(plain), Size(pulled), "The term asks for small weights.");
        Assert.IsGreaterThan(without, with, "The term is part of the loss that is told.");
    }

    [TestMethod]
    public void AParticipantActsAfterEveryStep()
    {
        using TunedModel model = Create(pull: 0);
        TinyRun.Train(model, new TrainingOptions { MaxEpochs = 2, BatchSize = 8, LearningRate = 1e-2 });
        var tuner = (TakingPart)model.Tuner;
        CollectionAssert.AreEqual(Enumerable.Range(0, 14).ToArray(), tuner.Steps, "50 rows in batches of 8, twice");
        Assert.AreEqual(14, tuner.TotalSteps);
        Assert.IsTrue(tuner.SawGradients);
    }

    [TestMethod]
    [DataRow(3), DataRow(7), DataRow(12)]
    public void AKilledRunGoesOnToTheBitWithItsParticipantsState(int killed)
    {
        using TunedModel whole = Create(pull: 0.5), first = Create(pull: 0.5), second = Create(pull: 0.5);
        TinyRun.Train(whole, Options());
        var broken = new TinyTask { OnLoss = (n, loss) => n == 2 * killed ? throw new IOException("power cut") : loss };
        Assert.ThrowsExactly<IOException>(() => TinyRun.Train(first, Options(), task: broken));

        TinyRun.Train(second, Options());

        CollectionAssert.AreEqual(TinyRun.Weights(whole), TinyRun.Weights(second));
        using var scope = NewDisposeScope();
        Assert.AreEqual(0, (((TakingPart)whole.Tuner).Average - ((TakingPart)second.Tuner).Average).abs().max().item<float>(), "the participant's own state");
    }

    [TestMethod]
    public void ALossOfAWholeBatchIsComputedAtOnce()
    {
        var sizes = new List<int>();
        var task = new TinyTask { WholeBatch = true, OnPrepare = (examples, _) => { sizes.Add(examples.Count); return [.. examples]; } };
        using TunedModel model = TinyModel.Create();
        TinyRun.Train(model, new TrainingOptions { MaxEpochs = 1, BatchSize = 8 }, rows: 64, task: task);
        CollectionAssert.AreEqual(Enumerable.Repeat(8, 8).ToArray(), sizes[^8..]);
    }

    [TestMethod]
    public void ALossOfAWholeBatchIsNotAccumulated()
    {
        using TunedModel model = TinyModel.Create();
        ArgumentException refused = Assert.ThrowsExactly<ArgumentException>(() => TinyRun.Train(
            model, new TrainingOptions { BatchSize = 8, GradientAccumulationSteps = 2 }, task: new TinyTask { WholeBatch = true }));
        Assert.Contains(nameof(TrainingOptions.GradientAccumulationSteps), refused.Message);
    }

    private TrainingOptions Options() => new() { MaxEpochs = 2, BatchSize = 8, LearningRate = 1e-2, CheckpointFolder = _folder, CheckpointEverySteps = 1 };

    private static TunedModel Create(double pull)
    {
        var weights = new ModelWeights(null, "tiny", CPU, 0.5, seed: 7);
        var model = new TinyModel(weights, dropout: 0.1);
        var head = new TinyHead(weights.Root["head"], dropout: 0.1);
        return new TunedModel(model, head, new TakingPart([.. weights.All], pull));
    }

    private static float Size(TunedModel model)
    {
        using var scope = NewDisposeScope();
        return model.Trainable[0].Value.detach().norm().item<float>();
    }

    /// <summary>Pulls weights towards their own running average, which it keeps, and shrinks them.</summary>
    private sealed class TakingPart : ITuner, ITrainingParticipant
    {
        private readonly double _pull;
        private Tensor _average;

        public TakingPart(IReadOnlyList<Parameter> trainable, double pull)
        {
            (Trainable, _pull) = (trainable, pull);
            foreach (Parameter parameter in trainable)
                parameter.MakeTrainable();
            _average = Trainable[0].Value.detach().mul(0.5).DetachFromDisposeScope();
        }

        public List<int> Steps { get; } = [];

        public int TotalSteps { get; private set; }

        public bool SawGradients { get; private set; } = true;

        public Tensor Average => _average;

        public string Key => "taking-part";

        public bool TouchesBase => true;

        public IReadOnlyList<Parameter> Trainable { get; }

        public IReadOnlyList<(string Name, Tensor Value)> State => [("average", _average)];

        public Tensor? LossTerm(int step) => _pull == 0 ? null : (Trainable[0].Value.square().sum() + (Trainable[0].Value - _average).square().sum()) * _pull;

        public void AfterStep(int step, int totalSteps)
        {
            Steps.Add(step);
            TotalSteps = totalSteps;
            SawGradients &= Trainable[0].Value.grad is not null;
            Tensor next = (_average * 0.9 + Trainable[0].Value * 0.1).DetachFromDisposeScope();
            _average.Dispose();
            _average = next;
        }

        public void Restore(IReadOnlyDictionary<string, Tensor> state)
        {
            _average.Dispose();
            _average = state["average"].clone().DetachFromDisposeScope();
        }

        public void Attach(TuningTarget target, long seed, string adapter) => throw new NotSupportedException();

        public IReadOnlyList<(string Name, Tensor Value)> Export() => throw new NotSupportedException();

        public void Import(ITensorSource source) => throw new NotSupportedException();

        public bool TryMerge() => false;

        public void Unmerge() { }

        public void Dispose() => _average.Dispose();
    }
}
