using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>What enters beside a row's tokens: in front of them, or at places that the row keeps; what is read moves along.</summary>
[TestClass]
public sealed class InputSiteTests : IDisposable
{
    private static readonly int[] s_words = [7, 9, 11];

    private readonly TinyBert _bert = new();
    private readonly HostedModel _hosted;
    private readonly TextModel _model;

    public InputSiteTests()
    {
        _model = Peft.Estimators.BaseModels.Open(_bert.Folder, CPU, seed: 1).As<TextModel>();
        _hosted = new HostedModel(_model, _model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2));
    }

    public void Dispose()
    {
        _hosted.Dispose();
        _bert.Dispose();
    }

    /// <summary>Vectors that are those of words say what the words say.</summary>
    [TestMethod]
    public void VectorsAtKeptPlacesReadAsWordsThere()
    {
        Prompt("p", movesFirst: false);
        using var scope = NewDisposeScope();
        Example words = new() { Ids = [2, 7, 5, 9, 11, 6, 3], ReadPositions = [2, 5] };
        Example kept = new Example { Ids = [2, 1, 5, 1, 1, 6, 3], ReadPositions = [2, 5] }.With(Fields.VirtualPlaces, [1, 3, 4]);
        Example other = new Example { Ids = [2, 5, 1, 1, 1, 3], ReadPositions = [1, 5] }.With(Fields.VirtualPlaces, [2, 3, 4]);
        Example otherWords = new() { Ids = [2, 5, 7, 9, 11, 3], ReadPositions = [1, 5] };
        TensorAssert.Close(States(null, words, otherWords), States("p", kept, other), 1e-5, 1e-5, "rows with gaps of their own");
    }

    /// <summary>What P-tuning's network makes stands at the places as any table does.</summary>
    [TestMethod]
    public void PTuningFillsKeptPlaces()
    {
        ITuner tuner = _hosted.Attach("made", new PTuningOptions { VirtualTokens = 3, Encoder = PTuningEncoder.Lstm }).Tuner;
        Prompt("table", movesFirst: false);
        using var scope = NewDisposeScope();
        using (no_grad())
            _hosted.Host.All.Single(known => known.Name == "table").Tuner.Trainable.Single(p => p.Name == "prompt_embeddings").Assign(tuner.Export().Single(t => t.Name == "prompt_embeddings").Value);
        Example kept = new Example { Ids = [2, 1, 5, 1, 1, 6, 3], ReadPositions = [2, 5] }.With(Fields.VirtualPlaces, [1, 3, 4]);
        Tensor made = States("made", kept);
        TensorAssert.Close(States("table", kept), made, 1e-6, 1e-6, "the network's table");
        Assert.IsGreaterThan(1e-3, (made - States(null, new Example { Ids = kept.Ids, ReadPositions = kept.ReadPositions })).abs().max().item<float>());
    }

    [TestMethod]
    public void VectorsBeforeARowReadAsWordsBeforeIt()
    {
        Prompt("p", movesFirst: false);
        using var scope = NewDisposeScope();
        Example words = new() { Ids = [7, 9, 11, 2, 5, 6, 3], ReadPositions = [4, 6] }, row = new() { Ids = [2, 5, 6, 3], ReadPositions = [1, 3] };
        TensorAssert.Close(States(null, words), States("p", row), 1e-5, 1e-5, "the read positions move along");
    }

    [TestMethod]
    public void AHeadReadsPositionZeroOrItsOwnFirstToken()
    {
        Prompt("pefts", movesFirst: false);
        Prompt("own", movesFirst: true);
        using var scope = NewDisposeScope();
        Example words = new() { Ids = [7, 9, 11, 2, 5, 6, 3] }, row = new() { Ids = [2, 5, 6, 3] };
        Tensor all = States(null, words);
        TensorAssert.Close(all.narrow(1, 0, 1), States("pefts", PositionSelection.First, row), 1e-5, 1e-5, "the first virtual token");
        TensorAssert.Close(all.narrow(1, 3, 1), States("own", PositionSelection.First, row), 1e-5, 1e-5, "[CLS] behind the prompt");
        TensorAssert.Close(all.narrow(1, 3, 4), States("own", PositionSelection.End(4), row), 1e-5, 1e-5, "the row's tokens alone");
    }

    [TestMethod]
    public void PlacesThatNobodyFillsAreRefused()
    {
        Prompt("p", movesFirst: false);
        Example kept = new Example { Ids = [2, 1, 5, 3] }.With(Fields.VirtualPlaces, [1]);
        Assert.Contains("bare base", Assert.ThrowsExactly<NotSupportedException>(() => States(null, kept)).Message);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => States("p", kept)).Message;
        Assert.Contains("1 places", message);
        Assert.Contains("has 3", message);
    }

    /// <summary>The table has 32 positions.</summary>
    [TestMethod]
    public void ARowThatIsTooLongIsNamedAndWhatOnlyFillsUpIsNot()
    {
        Prompt("three", movesFirst: false);
        _hosted.Attach("twenty", new PromptOptions { VirtualTokens = 20, Start = VirtualTokenStart.SampledVocabulary });
        using var scope = NewDisposeScope();
        Example text = new() { Ids = [2, .. Enumerable.Repeat(5, 27), 3] }, brief = new() { Ids = [2, 6, 3] };
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => States("twenty", text)).Message;
        Assert.Contains("49 positions", message);
        Assert.Contains("the model 32", message);
        Tensor together = Run(["three", "twenty"], PositionSelection.First, text, brief);
        TensorAssert.Close(States("three", PositionSelection.First, text)[0], together[0], 1e-5, 1e-5, "a long text under a short prompt");
        TensorAssert.Close(States("twenty", PositionSelection.First, brief)[0], together[1], 1e-5, 1e-5, "a short text under a long prompt");
    }

    [TestMethod]
    public void AWriterHasThePositionsThatAPromptLeaves()
    {
        using var folder = new TinyDecoder();
        using HostedModel decoder = HostedModel.Decoder(folder.Folder);
        decoder.Attach("three", new PromptOptions { VirtualTokens = 3 });
        decoder.Attach("nine", new PromptOptions { VirtualTokens = 9 });
        Assert.AreEqual(128, decoder.Open().MaxLength);
        Assert.AreEqual(125, decoder.Open("three").MaxLength);
        Assert.AreEqual(119, decoder.Open("three", "nine", null).MaxLength);
    }

    private void Prompt(string name, bool movesFirst)
    {
        ITuner tuner = _hosted.Attach(name, new PromptOptions { VirtualTokens = 3, ReadsClassToken = movesFirst }).Tuner;
        using var noGrad = no_grad();
        using Tensor ids = tensor(Array.ConvertAll(s_words, id => (long)id), ScalarType.Int64, CPU), words = _model.Tokens.Table.Value.index_select(0, ids);
        tuner.Trainable.Single(p => p.Name == "prompt_embeddings").Assign(words);
    }

    private Tensor States(string? adapter, params Example[] rows)
    {
        bool reads = rows[0].ReadPositions.Length > 0;
        return reads ? Run([adapter], null, rows) : States(adapter, PositionSelection.All, rows);
    }

    private Tensor States(string? adapter, PositionSelection read, params Example[] rows) => Run([adapter], read, rows);

    private Tensor Run(string?[] adapters, PositionSelection? read, params Example[] rows)
    {
        using var noGrad = no_grad();
        using Batch batch = Batch.Collate(rows, CPU, withLabels: false);
        return _hosted.Run(context => _model.Forward(batch, read ?? PositionSelection.At(batch.ReadPositions!), context), adapters);
    }
}
