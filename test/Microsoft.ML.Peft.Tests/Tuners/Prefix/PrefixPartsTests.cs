using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Prefix;

/// <summary>The paper's prefixes of an encoder-decoder: encoder, decoder and the decoder's attention to the encoder.</summary>
[TestClass]
public sealed class PrefixPartsTests
{
    private const string Encoder = "encoder.prompt_embeddings", Decoder = "prompt_embeddings", Cross = "cross_attention.prompt_embeddings";

    private static readonly string[] s_tables = [Encoder, Decoder, Cross];

    private readonly TinyT5 _t5 = new(config =>
    {
        (config["d_model"], config["d_kv"], config["num_heads"]) = (32, 8, 4);
        (config["num_layers"], config["num_decoder_layers"], config["dropout_rate"]) = (2, 2, 0.1);
    });

    private string Folder => _t5.Folder;

    [TestCleanup]
    public void Delete() => _t5.Dispose();

    [TestMethod]
    public void EachPartLearnsATableOfItsOwn()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> plain = Gradients(checkpointing: false), again = Gradients(checkpointing: true);
        CollectionAssert.AreEquivalent(s_tables, plain.Keys.ToArray());
        foreach (string name in s_tables)
        {
            CollectionAssert.AreEqual(new long[] { 3, 2 * 2 * 32 }, plain[name].Sizes());
            // Every layer's keys and values have their part.
            Assert.IsGreaterThan(1e-7f, plain[name].abs().view(3, 4, 32).amax(0, 2).min().item<float>(), name);
            TensorAssert.Close(plain[name], again[name], 1e-6, 1e-4, name);
        }
    }

    [TestMethod]
    public void ASessionSaysWhatTheWholeTextSays()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using HostedModel hosted = Host();
        string?[] adapters = ["three", "two", null, "peft"];
        foreach (string?[] chosen in new[] { ["three"], ["two"], adapters })
        {
            int rows = chosen.Length == 1 ? 2 : chosen.Length;
            using Batch whole = Texts(rows), texts = Texts(rows);
            Tensor expected = hosted.Run(context => Logits(hosted, whole, context), chosen);
            hosted.Run(context =>
            {
                using IDecodingSession session = hosted.Model.As<IWritesTexts>().Open(hosted.Head, texts, context);
                Check(expected.select(1, 0), session.Read(zeros([rows, 1], ScalarType.Int64, CPU), null), "the first token");
                Check(expected.select(1, 1), session.Next([.. Enumerable.Repeat(5L, rows)]), "the second");
                long[] twice = [.. Enumerable.Range(0, rows).SelectMany(row => new long[] { row, row })];
                if (chosen.Length > 1)
                    return true;
                session.Keep(twice);
                Check(expected.select(1, 2).index_select(0, tensor(twice)), session.Next([.. twice.Select(_ => 9L)]), "beams");
                return true;
            }, chosen);
        }
        Tensor bare = hosted.Run(context => Logits(hosted, Texts(2), context), "three"), other = hosted.Run(context => Logits(hosted, Texts(2), context), (string?)null);
        Assert.IsGreaterThan(1e-3, (bare - other).abs().max().item<float>(), "The prefix changes nothing.");

        static void Check(Tensor expected, Tensor found, string what) => TensorAssert.Close(expected, found, 1e-4, 1e-4, what);
    }

    [TestMethod]
    public void RowsAreAsAlone()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using HostedModel hosted = Host();
        string?[] adapters = ["three", "two", null, "peft"];
        Tensor together = hosted.Run(context => Logits(hosted, Texts(4), context), adapters);
        for (int row = 0; row < adapters.Length; row++)
            TensorAssert.Close(hosted.Run(context => Logits(hosted, Texts(4), context), adapters[row])[row], together[row], 1e-4, 1e-4, $"row {row} under '{adapters[row]}'");
    }

    [TestMethod]
    public void PeftsFoldersCannotHoldIt()
    {
        using PretrainedModel model = Open();
        var options = new PrefixOptions { VirtualTokens = 3, Parts = PrefixParts.All };
        using ITuner tuner = Attach(model, options);
        var settings = (IPeftAdapterFormat)tuner.SettingsForExport(options);
        string message = Assert.ThrowsExactly<NotSupportedException>(() => settings.ToAdapterConfig("SEQ_2_SEQ_LM", "")).Message;
        Assert.Contains("cross-attention", message);
        Assert.Contains("PEFT", message);
    }

    [TestMethod]
    public void NetworksMakeThemAllAndTheTablesAreSaved()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var options = new PrefixOptions { VirtualTokens = 3, Parts = PrefixParts.All, PrefixProjection = true, EncoderHiddenSize = 8 };
        using PretrainedModel model = Open();
        using ITuner tuner = Attach(model, options);
        Assert.AreEqual(3 * 5, tuner.Trainable.Count);
        Assert.IsTrue(tuner.Trainable.Any(parameter => parameter.Name == "cross_attention.prompt_encoder.transform.2.weight"));
        using AdapterState saved = AdapterState.Of("saved", tuner, options);
        CollectionAssert.AreEquivalent(s_tables, saved.Tensors.Names.ToArray());
        using PretrainedModel other = Open();
        using ITuner loaded = Attach(other, options, saved.Tensors);
        loaded.Import(saved.Tensors);
        CollectionAssert.AreEquivalent(s_tables, loaded.Trainable.Select(parameter => parameter.Name).ToArray());
        foreach (var (name, value) in loaded.Export())
            TensorAssert.Close(saved.Tensors.Read(name), value, 0, 0, name);
    }

    [TestMethod]
    public void ATextStartsAllParts()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using PretrainedModel model = Open();
        int[] text = [7, 8, 9];
        var start = (TunerOptions)((IStartsFromTexts)new PrefixOptions { VirtualTokens = 3, Parts = PrefixParts.All, Start = PrefixStart.Text, StartText = "x" }).WithTokens(new StartWords(_ => text, _ => text, []));
        using ITuner tuner = Attach(model, start);
        var made = TokenKeys.Of(model, text);
        AttentionSite cross = model.Weights.Sites.Attentions.Last(site => site.Kind == AttentionKind.Cross);
        Tensor table = tuner.Export().Single(tensor => tensor.Name == Cross).Value.view(3, 4, 32);
        TensorAssert.Close(made[cross].Keys.flatten(1), table.select(1, 2), 0, 0, "the last layer's keys");
        TensorAssert.Close(made[cross].Values.flatten(1), table.select(1, 3), 0, 0, "its values");
    }

    [TestMethod]
    public void PeftsFormNeedsAsManyLayersInTheEncoder()
    {
        string file = Path.Combine(Folder, "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        config["num_decoder_layers"] = 3;
        File.WriteAllText(file, config.ToJsonString());
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed: 1);
        string message = Assert.ThrowsExactly<NotSupportedException>(() => Attach(model, new PrefixOptions())).Message;
        Assert.Contains("3 layers", message);
        using ITuner tuner = Attach(model, new PrefixOptions { Parts = PrefixParts.All });
        Assert.AreEqual(20 * (2 + 3 + 3) * 2 * 32, tuner.Trainable.Sum(parameter => parameter.Value.numel()));
    }

    private Dictionary<string, Tensor> Gradients(bool checkpointing)
    {
        using PretrainedModel model = Open();
        Head head = model.As<IEncoderDecoder>().CreateLanguageModelHead();
        using ITuner tuner = Attach(model, new PrefixOptions { VirtualTokens = 3, Parts = PrefixParts.All, Dropout = 0.1 });
        using Batch batch = Texts(2);
        var context = new ForwardContext { Seeds = new DropoutSeeds(3), Checkpointing = checkpointing };
        Tensor states = model.As<TextModel>().Forward(batch, PositionSelection.All, context);
        BackwardPass.Run(nn.functional.cross_entropy(head.Forward(states, batch, context).flatten(0, 1), tensor(new long[] { 5, 9, 7, 4, 6, 8 })));
        return tuner.Trainable.ToDictionary(parameter => parameter.Name, parameter => parameter.Value.grad!.clone());
    }

    private HostedModel Host()
    {
        PretrainedModel model = Open();
        var hosted = new HostedModel(model, model.As<IEncoderDecoder>().CreateLanguageModelHead());
        hosted.Attach("three", new PrefixOptions { VirtualTokens = 3, Parts = PrefixParts.All }, seed: 1);
        hosted.Attach("two", new PrefixOptions { VirtualTokens = 2, Parts = PrefixParts.All }, seed: 2);
        hosted.Attach("peft", new PrefixOptions { VirtualTokens = 4 }, seed: 3);
        return hosted;
    }

    private static Tensor Logits(HostedModel hosted, Batch batch, ForwardContext context) =>
        hosted.Head.Forward(hosted.Model.As<TextModel>().Forward(batch, PositionSelection.All, context), batch, context);

    // Rows of which every other is padded.
    private static Batch Texts(int rows)
    {
        Tensor ids = (arange(rows * 5, ScalarType.Int64) * 7 % 9 + 2).view(rows, 5), mask = ones([rows, 5], ScalarType.Bool);
        for (int row = 1; row < rows; row += 2)
            mask[row, 4] = tensor(false);
        return new Batch { Ids = ids, Mask = mask, DecoderIds = tensor(new long[] { 0, 5, 9 }).unsqueeze(0).expand(rows, -1).contiguous(), PadsEnd = true, Examples = [] };
    }

    private PretrainedModel Open() => ModelRegistry.Create(HfConfig.Load(Folder), SharedCheckpoint.Acquire(Folder, CPU), CPU, seed: 5);

    private static ITuner Attach(PretrainedModel model, TunerOptions options, ITensorSource? saved = null)
    {
        ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, [], saved) { KeysOf = ids => TokenKeys.Of(model, ids) }, seed: 3);
        return tuner;
    }
}
