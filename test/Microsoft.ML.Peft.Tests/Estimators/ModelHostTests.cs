using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class ModelHostTests
{
    private const int Rounds = 30;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    /// <summary>A merge right behind another: without a rule the one who waits would lose the race for the gate nearly always.</summary>
    [TestMethod]
    public void WhoWaitedForAChangeIsInBeforeTheNext()
    {
        using var tuner = new Scripted();
        var adapter = new PeftAdapter("a", "a", tuner, new LoraOptions());
        using var host = new ModelHost(TinyModel.Create(), new AdapterTable([adapter], "a"), "test");
        for (int round = 0; round < Rounds; round++)
        {
            bool isIn = false;
            var caller = new Thread(() =>
            {
                using ModelLease lease = host.Enter(AdapterChoice.Active);
                Volatile.Write(ref isIn, true);
            });
            tuner.OnMerge = () =>
            {
                caller.Start();
                Assert.IsTrue(SpinWait.SpinUntil(() => caller.ThreadState.HasFlag(ThreadState.WaitSleepJoin), s_limit), "it waits for the merge");
                Thread.Sleep(1);
            };
            bool wasIn = false;
            tuner.OnUnmerge = () => wasIn = Volatile.Read(ref isIn);
            host.Merge(adapter);
            host.Unmerge();
            Assert.IsTrue(caller.Join(s_limit));
            Assert.IsTrue(wasIn, $"round {round}: the next change came before the call that waited");
        }
    }

    private sealed class Scripted : ITuner
    {
        public Action OnMerge { get; set; } = () => { };

        public Action OnUnmerge { get; set; } = () => { };

        public string Key => "scripted";

        public bool TouchesBase => false;

        public IReadOnlyList<Parameter> Trainable => [];

        public void Attach(TuningTarget target, long seed, string adapter)
        {
        }

        public IReadOnlyList<(string Name, Tensor Value)> Export() => [];

        public void Import(ITensorSource source)
        {
        }

        public bool TryMerge()
        {
            OnMerge();
            return true;
        }

        public void Unmerge() => OnUnmerge();

        public void Dispose()
        {
        }
    }
}
