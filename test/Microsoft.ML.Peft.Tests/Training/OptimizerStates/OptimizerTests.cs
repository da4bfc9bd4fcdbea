using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training.OptimizerStates;

[TestClass]
public sealed class OptimizerTests
{
    public static IEnumerable<TrainingOptimizer> All => Enum.GetValues<TrainingOptimizer>();

    [TestMethod]
    [DataRow(TrainingOptimizer.AdamW, TrainingOptimizer.PagedAdamW32Bit)]
    [DataRow(TrainingOptimizer.AdamW8Bit, TrainingOptimizer.PagedAdamW8Bit)]
    public void Paging_changes_no_bit(TrainingOptimizer resident, TrainingOptimizer paged)
    {
        // Over several files: the smallest one has 16 MB.
        long[] sizes = [7, 5000, 3_000_000, 255, 4_000_000, 1];
        using SteppedWeights expected = new(resident, sizes), actual = new(paged, sizes);
        for (int step = 1; step <= 3; step++)
        {
            expected.Step(step);
            actual.Step(step);
        }
        expected.AssertSameBits(actual);
    }

    [TestMethod]
    [DynamicData(nameof(All))]
    public void A_checkpoint_goes_on_to_the_bit(TrainingOptimizer kind)
    {
        string folder = Directory.CreateTempSubdirectory("optimizer-").FullName;
        using SteppedWeights first = new(kind, 5000, 10), second = new(kind, 5000, 10);
        try
        {
            for (int step = 1; step <= 5; step++)
                first.Step(step);
            Checkpoint(folder, first).Save(new TrainingState { Step = 5 });
            second.Step(99);
            Assert.AreEqual(5, Checkpoint(folder, second).Load()!.Step);
            first.Step(6);
            second.Step(6);
            first.AssertSameBits(second);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static TrainingCheckpoint Checkpoint(string folder, SteppedWeights weights) =>
            new(folder, "run", weights.Parameters, weights.Optimizer, new BestWeights(weights.Parameters), new Participants());
    }

    [TestMethod]
    public void State_takes_8_bytes_a_weight_or_2()
    {
        const long Count = 1 << 20, Small = 4095;
        Assert.AreEqual(8 * (Count + Small), BytesOf(TrainingOptimizer.AdamW));
        Assert.AreEqual(8 * (Count + Small), BytesOf(TrainingOptimizer.PagedAdamW32Bit));
        long eight = 2 * (Count + (Count / 256 * sizeof(float))) + (8 * Small);
        Assert.AreEqual(eight, BytesOf(TrainingOptimizer.AdamW8Bit));
        Assert.AreEqual(eight, BytesOf(TrainingOptimizer.PagedAdamW8Bit));

        static long BytesOf(TrainingOptimizer kind)
        {
            using SteppedWeights weights = new(kind, Count, Small);
            weights.Step(1);
            return weights.Optimizer.StateBytes;
        }
    }

    [TestMethod]
    public void Paged_state_is_no_anonymous_memory_and_leaves_no_file()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Reads /proc.");
        const long Count = 16 << 20, State = 8 * Count;
        int mapped = MappedFile.LiveTensors;
        Assert.IsGreaterThan(State * 9 / 10, GrowthOf(TrainingOptimizer.AdamW), "the state lies in the process's own memory");
        Assert.IsLessThan(State / 10, GrowthOf(TrainingOptimizer.PagedAdamW32Bit), "the state may go to the disk");
        Assert.AreEqual(mapped, MappedFile.LiveTensors);

        static long GrowthOf(TrainingOptimizer kind)
        {
            using SteppedWeights weights = new(kind, Count);
            using var scope = NewDisposeScope();
            weights.Parameters[0].Value.grad = ones(Count);
            long before = ProcessMemory.Anonymous();
            weights.Optimizer.Step(1e-3, 1);
            Assert.IsEmpty(Directory.GetFiles(Path.GetTempPath(), "peft-optimizer-*"));
            return ProcessMemory.Anonymous() - before;
        }
    }

    [TestMethod]
    public void A_disk_without_room_is_an_exception_that_names_the_folder()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Limits the process by setrlimit.");
        StringAssert.Contains(Commands.Child.Run("page-without-space").Single(), $"The temporary folder {Path.GetTempPath()} does not take a file");
    }

    [TestMethod]
    public void Eight_bits_converge_like_32()
    {
        double dense = LossAfter(TrainingOptimizer.AdamW, 300), eight = LossAfter(TrainingOptimizer.AdamW8Bit, 300);
        double start = LossAfter(TrainingOptimizer.AdamW, 0);
        Assert.IsLessThan(start / 100, dense);
        Assert.AreEqual(dense, eight, 0.1 * dense);
    }

    /// <summary>Least squares: the loss of a matrix that is fitted to noisy products of another one.</summary>
    private static double LossAfter(TrainingOptimizer kind, int steps)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        Tensor inputs = randn(256, 80, generator: random), noise = randn(256, 80, generator: random) * 0.3;
        Tensor wanted = inputs.mm(randn(80, 80, generator: random)) + noise;
        using var weight = new Parameter("w", zeros(80, 80).DetachFromDisposeScope(), owned: true);
        weight.MakeTrainable();
        using var optimizer = new Optimizer([weight], TinyRun.Settings(new() { Optimizer = kind, WeightDecay = 0 }));
        for (int step = 0; step < steps; step++)
        {
            using var inner = NewDisposeScope();
            (inputs.mm(weight.Value) - wanted).square().mean().backward();
            optimizer.Step(0.03, 1);
            optimizer.ClearGradients();
        }
        using var noGrad = no_grad();
        return (inputs.mm(weight.Value) - wanted).square().mean().ToDouble();
    }
}
