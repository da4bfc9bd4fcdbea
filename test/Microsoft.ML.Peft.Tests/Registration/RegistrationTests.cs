using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Tests.Registration;

/// <summary>What there is is registered: a model, tuner or task that its assembly forgets could be saved by nobody.</summary>
[TestClass]
public sealed class RegistrationTests
{
    private static readonly Type[] Kinds = [typeof(PretrainedModel), typeof(TunerOptions), typeof(PeftTask), typeof(GgufArchitecture), typeof(InputProcessor)];

    [TestMethod]
    [DataRow(typeof(PeftTask))]
    [DataRow(typeof(VisionLanguageCatalog))]
    [DataRow(typeof(UserAssembly.BagFineTune))]
    public void EveryModelTunerAndTaskIsRegistered(Type ofAssembly) =>
        Assert.IsEmpty(Forgotten(ofAssembly.Assembly.GetTypes(), Registries.Shared.Include(ofAssembly.Assembly)));

    [TestMethod]
    public void EveryKindIsSeen()
    {
        Type[] types = typeof(PeftTask).Assembly.GetTypes();
        Assert.IsTrue(Array.TrueForAll(Kinds, kind => types.Any(type => type.IsSubclassOf(kind))), "A kind has no types: the test sees nothing.");
    }

    [TestMethod]
    public void WhatIsForgottenIsFound() => Assert.AreEqual(
        nameof(ForgottenTuner), Forgotten([typeof(LoraOptions), typeof(ForgottenTuner)], Registries.Shared.Include(typeof(PeftTask).Assembly)).Single().Name);

    private static Type[] Forgotten(IEnumerable<Type> types, Registry registry) =>
        [.. types.Where(type => !type.IsAbstract && Kinds.Any(type.IsSubclassOf)).Except(registry.All<Registered>().Select(entry => entry.Type))];

    private sealed class ForgottenTuner : TunerOptions
    {
        internal override ITuner Create() => throw new NotSupportedException();
    }
}
