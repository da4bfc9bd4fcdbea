namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Named adapters of a transformer.</summary>
[TestClass]
public sealed class AdapterTests
{
    private readonly AdapterFixture _it = new();

    private PeftAdapters Adapters => _it.Transformer.Adapters;

    [TestCleanup]
    public void Clean() => _it.Dispose();

    [TestMethod]
    public void ALoadedAdapterAnswersAsWhereItWasTrained()
    {
        using PeftTransformer trained = _it.Fit(AdapterFixture.Options(rank: 2), "completely other words");
        trained.SaveAdapter(_it.PathOf("other"));
        float[] before = _it.Scores();
        PeftAdapter other = Adapters.Load("other", _it.PathOf("other"));
        Assert.IsTrue(Adapters.Names.SequenceEqual(["default", "other"]));
        AdapterFixture.AreClose(before, _it.Scores(), "loading alone changes nothing", 0);
        AdapterFixture.AreClose(_it.Scores(trained, _it.Data), _it.ScoresUnder(other), "the loaded adapter");
        AdapterFixture.Differ(before, _it.ScoresUnder(null), "the bare base");
        AdapterFixture.AreClose(before, _it.Scores(), "back at the first", 0);
    }

    [TestMethod]
    public void AStaleHandleIsRefused()
    {
        PeftAdapter first = Adapters.Load("x", _it.Train("a", "first"));
        PeftAdapter second = Adapters.Replace(first, _it.Train("b", "second text"));
        Assert.IsFalse(first.IsCurrent);
        Assert.AreSame(second, Adapters["x"]);
        Action[] uses =
        [
            () => Adapters.Activate(first), () => Adapters.Remove(first), () => Adapters.Replace(first, _it.PathOf("a")), () => Adapters.Merge(first),
            () => Adapters.Mix("mix", [(first, 1)]), () => _it.Transformer.SaveAdapter(_it.PathOf("stale"), first),
        ];
        foreach (Action use in uses)
            Assert.Contains("stale", Assert.ThrowsExactly<InvalidOperationException>(use).Message);
        Adapters.Activate(second);
        Adapters.Remove(second);
        Assert.IsNull(Adapters.Active);
        Assert.Contains("known are default", Assert.ThrowsExactly<ArgumentException>(() => Adapters["x"]).Message);
        Assert.Contains("'default'", Assert.ThrowsExactly<ArgumentException>(() => Adapters.Load("default", _it.PathOf("a"))).Message);
    }

    [TestMethod]
    public void AReplacedActiveAdapterIsActive()
    {
        Adapters.Replace(Adapters["default"], _it.Train("b", "second text"));
        float[] replaced = _it.Scores();
        AdapterFixture.AreClose(replaced, _it.ScoresUnder(Adapters["default"]), "the replaced default", 0);
        AdapterFixture.Differ(replaced, _it.ScoresUnder(null), "the bare base");
    }

    [TestMethod]
    public void MergedAndUnmergedAgree()
    {
        PeftAdapter other = Adapters.Load("other", _it.Train("a", "first"));
        float[] expected = _it.ScoresUnder(other), before = _it.Scores();
        Adapters.Merge(other);
        Assert.AreSame(other, Adapters.Active);
        AdapterFixture.AreClose(expected, _it.Scores(), "merged");
        Assert.Contains("merged", Assert.ThrowsExactly<InvalidOperationException>(() => Adapters.Activate(null)).Message);
        Assert.Contains("merged", Assert.ThrowsExactly<InvalidOperationException>(() => Adapters.Remove(other)).Message);
        Assert.Contains("'other'", Assert.ThrowsExactly<InvalidOperationException>(
            () => _it.Scores(_it.Transformer.WithAdapterColumn("Adapter"), _it.Routed("other", "default"))).Message);
        Adapters.Unmerge();
        AdapterFixture.AreClose(expected, _it.Scores(), "unmerged", 0);
        Adapters.Activate(Adapters["default"]);
        AdapterFixture.AreClose(before, _it.Scores(), "the first one", 0);
    }

    [TestMethod]
    public void AMixIsAnAdapterAsOthers()
    {
        PeftAdapter a = Adapters.Load("a", _it.Train("a", "first")), b = Adapters.Load("b", _it.Train("b", "second text", AdapterFixture.Options(rank: 2)));
        PeftAdapter alone = Adapters.Mix("alone", [(a, 1)]);
        AdapterFixture.AreClose(_it.ScoresUnder(a), _it.ScoresUnder(alone), "a mix of one");
        PeftAdapter half = Adapters.Mix("half", [(a, 1), (b, 0)], new AdapterMixOptions { Method = AdapterMixMethod.Cat });
        AdapterFixture.AreClose(_it.ScoresUnder(a), _it.ScoresUnder(half), "a mix with nothing of the other");
        _it.Transformer.SaveAdapter(_it.PathOf("mixed"), half);
        AdapterFixture.AreClose(_it.ScoresUnder(half), _it.ScoresUnder(Adapters.Load("again", _it.PathOf("mixed"))), "the mix reloaded");
        string message = Assert.ThrowsExactly<ArgumentException>(() => Adapters.Mix("no", [(a, 1), (b, 1)], new AdapterMixOptions { Method = AdapterMixMethod.Linear })).Message;
        Assert.Contains("4 ('a'), 2 ('b')", message);
        Assert.IsFalse(Adapters.Names.Contains("no"));
    }

    [TestMethod]
    public void AnAdapterOfAnotherBaseNamesBothHashes()
    {
        using var other = new AdapterFixture(change: config => config["initializer_range"] = 0.3);
        string folder = other.Train("a", "first");
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Adapters.Load("a", folder)).Message;
        Assert.HasCount(2, System.Text.RegularExpressions.Regex.Matches(message, "[0-9a-f]{64}"));
        Assert.AreEqual("a", Adapters.Load("a", folder, allowOtherBase: true).Name);
    }

    [TestMethod]
    [DataRow("gpt2", "")]
    [DataRow("llama", "hidden_size")]
    public void AnAdapterOfAnotherArchitectureNamesWhatDiffers(string modelType, string key)
    {
        using var other = new AdapterFixture(modelType, config => { if (key.Length > 0) config[key] = 16; });
        string folder = other.Train("a", "first");
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Adapters.Load("a", folder, allowOtherBase: true)).Message;
        Assert.Contains(key.Length > 0 ? "lora_A" : "c_attn", message);
    }

    [TestMethod]
    public void AnAdapterThatChangesTheBaseIsRefused()
    {
        string folder = _it.Train("norms", "first", new LoraOptions { ModulesToSave = ["norm"] });
        Assert.Contains("layernorm", Assert.ThrowsExactly<NotSupportedException>(() => Adapters.Load("a", folder)).Message);
    }
}
