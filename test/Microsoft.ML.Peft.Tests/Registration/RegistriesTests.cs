using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Tests.Registration;

[TestClass]
public sealed class RegistriesTests
{
    [TestMethod]
    public void AnAssemblyIsAskedOnce()
    {
        var registries = new Registries(typeof(Registries).Assembly);
        Registry first = registries.Include(typeof(Registries).Assembly);
        Assert.AreSame(first, registries.Include(typeof(PeftTask).Assembly));
        Assert.AreEqual("Microsoft.ML.Peft", registries.Of<TunerEntry>(typeof(LoraOptions)).Assembly);
        Assert.AreEqual(1, registries.All<TunerEntry>().Count(entry => entry.Key == "lora"));
    }

    [TestMethod]
    public void TwoThingsOfAKindHaveTwoKeys()
    {
        var registry = new Registry("Made.Up");
        registry.AddTuner<LoraOptions>("same");
        registry.AddTask<ChatTask>("same");
        var refused = Assert.ThrowsExactly<ArgumentException>(() => registry.AddTuner<NeverMade>("same"));
        Assert.Contains("Made.Up", refused.Message);
        Assert.Contains("'same'", refused.Message);
    }

    [TestMethod]
    public void NothingIsMadeToLearnItsName()
    {
        var registry = new Registry("Made.Up");
        registry.AddTuner<NeverMade>("never-made", new("NEVER", (_, _) => throw new NotSupportedException()));
        Assert.AreEqual("never-made", registry.All<TunerEntry>().Single(entry => entry.Peft?.Type == "NEVER").Key);
    }

    [TestMethod]
    public void AnUnknownKeyIsToldWithTheKnown()
    {
        string tuner = Assert.ThrowsExactly<InvalidDataException>(() => TunerRegistry.FromJson("lorra", [])).Message;
        Assert.Contains("Unknown tuner 'lorra'; known are bottleneck, frozen, full, ", tuner);
        string task = Assert.ThrowsExactly<InvalidDataException>(() => TaskRegistry.FromJson("chatt", [])).Message;
        Assert.Contains("Unknown task 'chatt'; known are binary-text-classification, ", task);
        string type = Assert.ThrowsExactly<NotSupportedException>(
            () => TunerRegistry.FromAdapterConfig(new JsonObject { ["peft_type"] = "LORRA" }, "adapter_config.json")).Message;
        Assert.Contains("adapter_config.json: peft_type is 'LORRA'; known are LORA, IA3, ", type);
    }

    [TestMethod]
    [DataRow("""{"ModulesToSave": null}""", "ModulesToSave")]
    [DataRow("""{"Rank": "two"}""", "Rank")]
    public void SettingsThatDoNotFitAreRefused(string json, string named)
    {
        string message = Assert.ThrowsExactly<InvalidDataException>(() => TunerRegistry.FromJson("lora", JsonNode.Parse(json)!.AsObject())).Message;
        Assert.Contains("The settings of tuner 'lora' cannot be read", message);
        Assert.Contains(named, message);
    }

    [TestMethod]
    public void ATypeThatItsAssemblyDoesNotRegisterIsRefused() => Assert.Contains(
        nameof(NeverMade), Assert.ThrowsExactly<InvalidOperationException>(() => Registries.Shared.Of<TunerEntry>(typeof(NeverMade))).Message);

    private sealed class NeverMade : TunerOptions
    {
        public NeverMade() => throw new NotSupportedException("Somebody made one.");

        internal override ITuner Create() => throw new NotSupportedException();
    }
}
