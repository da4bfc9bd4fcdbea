using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Adapters that carry the whole table of tokens, as PEFT saves them after new tokens, and what cannot be put together.</summary>
[TestClass]
public sealed class ResizedTableTests
{
    private const string Prefix = "base_model.model.", Table = "model.embed_tokens", Head = "lm_head", Rows = ".token_adapter.trainable_tokens_delta";

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);

    private IDataView Data => _context.Data.LoadFromEnumerable([new AdapterFixture.Row { Text = "say <x> and <y>" }, new AdapterFixture.Row { Text = "the cat sat" }]);

    [TestMethod]
    [DataRow(true, false)]
    [DataRow(false, false)]
    [DataRow(false, true)]
    public void TheRowsThatDifferAreTheAdapters(bool tied, bool asModulesToSave)
    {
        using var it = Fixture(tied, new LoraOptions { Rank = 4, AddedTokens = ["<x>", "<y>"], TargetModules = ["q_proj", "v_proj"] });
        string ours = it.PathOf("ours"), pefts = it.PathOf("pefts");
        it.Transformer.SaveAdapter(ours);
        WriteAsPeft(it.Base, ours, pefts, tied, asModulesToSave);

        using PeftTransformer expected = Continue(it, ours), found = Continue(it, pefts);
        AdapterFixture.AreClose(it.Scores(expected, Data), it.Scores(found, Data), "a fit from it");
        string file = it.PathOf("model.zip");
        _context.Model.Save(found, Data.Schema, file);
        using var loaded = (PeftTransformer)_context.Model.Load(file, out _);
        AdapterFixture.AreClose(it.Scores(found, Data), it.Scores(loaded, Data), "its archive");
        found.SaveAdapter(it.PathOf("again"));
        using PeftTransformer again = Continue(it, it.PathOf("again"));
        AdapterFixture.AreClose(it.Scores(found, Data), it.Scores(again, Data), "its adapter");
        AdapterFixture.AreClose(it.Scores(), it.ScoresUnder(it.Transformer.Adapters.Load("beside", pefts)), "beside others");

        it.Context.Peft().MergeAdapter(it.Base, ours, it.PathOf("merged-ours"));
        it.Context.Peft().MergeAdapter(it.Base, pefts, it.PathOf("merged-pefts"));
        CollectionAssert.AreEqual(
            File.ReadAllBytes(Path.Combine(it.PathOf("merged-ours"), "model.safetensors")), File.ReadAllBytes(Path.Combine(it.PathOf("merged-pefts"), "model.safetensors")));
    }

    [TestMethod]
    public void ATableAsTheBasesIsTheBases()
    {
        using var it = Fixture(tied: false, new LoraOptions { Rank = 4, TargetModules = ["q_proj", "v_proj"] });
        string ours = it.PathOf("ours"), pefts = it.PathOf("pefts");
        it.Transformer.SaveAdapter(ours);
        WriteAsPeft(it.Base, ours, pefts, tied: false, asModulesToSave: false);
        AdapterFixture.AreClose(it.Scores(), it.ScoresUnder(it.Transformer.Adapters.Load("same", pefts)), "the same table", 0);
    }

    [TestMethod]
    public void ATiedHeadThatDiffersIsRefused()
    {
        using var it = Fixture(tied: true, new LoraOptions { Rank = 4, AddedTokens = ["<x>", "<y>"], TargetModules = ["q_proj", "v_proj"] });
        it.Transformer.SaveAdapter(it.PathOf("ours"));
        WriteAsPeft(it.Base, it.PathOf("ours"), it.PathOf("pefts"), tied: true, asModulesToSave: false, headFactor: 2);
        Assert.Contains(Head, Assert.ThrowsExactly<NotSupportedException>(() => Continue(it, it.PathOf("pefts"))).Message);
    }

    [TestMethod]
    [DataRow(true, "whole")]
    [DataRow(false, "whole")]
    [DataRow(true, "target")]
    [DataRow(false, "target")]
    public void AddedTokensBesideAHeadThatTrainsInAnotherWayAreRefused(bool tied, string how)
    {
        var options = new LoraOptions { AddedTokens = ["<x>"] };
        if (how == "whole")
            options.ModulesToSave = [Head];
        else
            options.TargetModules = ["q_proj", Head];
        Assert.Contains($"'{Head}'", Assert.ThrowsExactly<ArgumentException>(() => Fixture(tied, options).Dispose()).Message);
    }

    private static AdapterFixture Fixture(bool tied, LoraOptions lora) => new(change: config => config["tie_word_embeddings"] = tied, lora: lora);

    private PeftTransformer Continue(AdapterFixture it, string adapter) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = it.Base,
        Task = PeftTask.CausalLanguageModelling(),
        AdapterFolder = adapter,
        Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-9 },
    }).Fit(Data);

    // The same adapter with whole tables in the place of rows.
    private static void WriteAsPeft(string model, string ours, string pefts, bool tied, bool asModulesToSave, double headFactor = 1)
    {
        Directory.CreateDirectory(pefts);
        foreach (string file in Directory.GetFiles(ours))
            File.Copy(file, Path.Combine(pefts, Path.GetFileName(file)));
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(ours, "adapter_config.json")))!.AsObject();
        config["trainable_token_indices"] = null;
        if (asModulesToSave)
            config["modules_to_save"] = new JsonArray("embed_tokens", Head);
        File.WriteAllText(Path.Combine(pefts, "adapter_config.json"), config.ToJsonString());
        using var scope = NewDisposeScope();
        using var plain = SafetensorsFile.Open(Path.Combine(model, "model.safetensors"));
        using var adapter = SafetensorsFile.Open(Path.Combine(ours, "adapter_model.safetensors"));
        Tensor Whole(string path) => adapter.Names.Contains(Prefix + path + Rows)
            ? cat([plain.Read(path + ".weight"), adapter.Read(Prefix + path + Rows)], 0)
            : plain.Read(path + ".weight");
        (string, Tensor)[] tables = [(Prefix + Table + ".weight", Whole(Table)), (Prefix + Head + ".weight", Whole(tied ? Table : Head) * headFactor)];
        SafetensorsWriter.WriteFile(
            Path.Combine(pefts, "adapter_model.safetensors"),
            adapter.Names.Where(name => !name.EndsWith(Rows, StringComparison.Ordinal)).Select(name => (name, adapter.Read(name))).Concat(tables));
    }
}
