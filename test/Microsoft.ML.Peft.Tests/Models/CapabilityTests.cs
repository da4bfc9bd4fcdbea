using System.Reflection;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Models;

[TestClass]
public sealed class CapabilityTests
{
    [TestMethod]
    public void AModelSaysWhatItCannotDo()
    {
        using var folder = new TinyBert();
        using PretrainedModel bert = ModelRegistry.Create(HfConfig.Load(folder.Folder), SharedCheckpoint.Acquire(folder.Folder, CPU), CPU, seed: 1);
        Assert.AreSame<object>(bert, bert.As<ISequenceClassifier>());
        Assert.AreEqual("Architecture 'bert' has no head for causal language modelling.", Lack<ICausalLanguageModel>(bert));
        using TunedModel tiny = TinyModel.Create();
        Assert.AreEqual("Architecture 'tiny' reads no texts.", Lack<IReadsTokens>(tiny.Model));
    }

    /// <summary>Every capability that a model has can be asked for.</summary>
    [TestMethod]
    public void EveryCapabilityHasWordsForItsLack()
    {
        Type[] asked = [.. typeof(PretrainedModel).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(PretrainedModel)))
            .SelectMany(type => type.GetInterfaces()).Where(type => type.Namespace == typeof(PretrainedModel).Namespace).Distinct()];
        Assert.IsGreaterThan(4, asked.Length);
        foreach (Type capability in asked)
            Assert.IsNotNull(capability.GetCustomAttribute<CapabilityAttribute>(), capability.Name);
    }

    private static string Lack<T>(PretrainedModel model)
        where T : class => Assert.ThrowsExactly<NotSupportedException>(() => model.As<T>()).Message;
}
