using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Bottleneck;
using Microsoft.ML.Peft.Tuners.Ia3;
using Microsoft.ML.Peft.Tuners.LayerNorms;
using Microsoft.ML.Peft.Tuners.Prompt;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>Tuners of every kind side by side on one base: what a row says does not depend on who else is in its batch.</summary>
[TestClass]
public sealed class SiteRowsTests
{
    private static readonly string?[] s_adapters = ["prefix5", "prefix2", "prompt3", "lora", "ia3", "norms", "bottleneck", null, "prompt3", "prefix2"];

    private static readonly int[][] s_texts = [[9, 8, 7, 6], [5, 40], [11, 12, 13, 14, 15, 16], [3, 9, 27], [20, 21], [30, 31, 32], [7], [50, 51, 52, 53], [8, 9], [90, 91, 92]];

    [TestMethod]
    [DataRow("llama"), DataRow("gpt2"), DataRow("opt"), DataRow("opt-350m")]
    public void ADecodersRowsAreAsAlone(string type)
    {
        using var folder = new TinyDecoder(type);
        using var model = new Tuned(folder.Folder);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Check(s_texts, (texts, adapters) => model.LastLogits(texts, adapters));
    }

    [TestMethod]
    public void AnEncodersRowsAreAsAlone()
    {
        using var folder = new TinyBert();
        using var model = new Tuned(folder.Folder);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Check([.. s_texts.Select(text => Array.ConvertAll(text, id => 5 + (id % 13)))], (texts, adapters) => model.First(texts, adapters));
    }

    [TestMethod]
    [DataRow("llama"), DataRow("gpt2"), DataRow("opt"), DataRow("opt-350m")]
    public void RowsWriteWhatTheyWriteAlone(string type)
    {
        using var folder = new TinyDecoder(type);
        using var model = new Tuned(folder.Folder);
        string[] together = model.Write(s_texts, s_adapters);
        for (int row = 0; row < s_texts.Length; row++)
            Assert.AreEqual(model.Write([s_texts[row]], [s_adapters[row]])[0], together[row], $"row {row} under '{s_adapters[row]}'");
    }

    [TestMethod]
    [DataRow("prefix5"), DataRow("prompt3")]
    public void ATextIsReadAtOnceAndPieceByPieceAlike(string adapter)
    {
        using var folder = new TinyDecoder();
        using var model = new Tuned(folder.Folder);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var session = model.Session([adapter]);
        session.Read(tensor(new long[] { 9, 8 }).view(1, 2), null);
        Tensor last = session.Read(tensor(new long[] { 7, 6 }).view(1, 2), null);
        TensorAssert.Close(model.LastLogits([[9, 8, 7, 6]], [adapter])[0], last[0], 1e-4, 1e-4, "logits behind a cache");
    }

    [TestMethod]
    [DataRow("prefix5"), DataRow("prompt3")]
    public void TextsOfAPackedRowSeeThePromptAndNotEachOther(string adapter)
    {
        using var folder = new TinyDecoder();
        using var model = new Tuned(folder.Folder);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor packed = model.Logits(new Example { Ids = [9, 8, 7, 11, 12, 13, 14], Starts = [0, 3], ReadPositions = [2, 6] }, adapter);
        TensorAssert.Close(model.LastLogits([[9, 8, 7]], [adapter])[0], packed[0], 1e-4, 1e-4, "the first text");
        // A prompt's own states see the first text alone, and so the second text is compared where the prompt is keys and values.
        if (adapter == "prefix5")
            TensorAssert.Close(model.LastLogits([[11, 12, 13, 14]], [adapter])[0], packed[1], 1e-4, 1e-4, "the second text");
    }

    private static void Check(int[][] texts, Func<int[][], string?[], Tensor> run)
    {
        Tensor together = run(texts, s_adapters);
        for (int row = 0; row < texts.Length; row++)
            TensorAssert.Close(run([texts[row]], [s_adapters[row]])[0], together[row], 1e-4, 1e-4, $"row {row} under '{s_adapters[row]}'");
        Assert.IsGreaterThan(1e-3, (together[1] - run([texts[1]], [null])[0]).abs().max().item<float>(), "The adapter changes nothing.");
    }

    /// <summary>A base under one tuner of each kind, by name.</summary>
    private sealed class Tuned : IDisposable
    {
        private readonly HostedModel _hosted;
        private readonly TextModel _model;

        public Tuned(string folder)
        {
            _model = ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 5).As<TextModel>();
            _hosted = new HostedModel(_model, _model is ICausalLanguageModel decoder ? decoder.CreateLanguageModelHead() : _model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2));
            Attach("prefix5", new PrefixOptions { VirtualTokens = 5 });
            Attach("prefix2", new PrefixOptions { VirtualTokens = 2 });
            Attach("prompt3", new PromptOptions { VirtualTokens = 3 });
            Attach("lora", new LoraOptions { Rank = 2 });
            Attach("ia3", new Ia3Options());
            Attach("norms", new LayerNormOptions());
            Attach("bottleneck", new BottleneckOptions { ReductionFactor = 4, AfterAttention = true });
        }

        public IDecodingSession Session(string?[] adapters) => _hosted.Open(adapters);

        /// <summary>What follows each text's last token.</summary>
        public Tensor LastLogits(int[][] texts, string?[] adapters) => Run(
            [.. texts.Select(ids => new Example { Ids = ids, ReadPositions = [ids.Length - 1] })], adapters).squeeze(1);

        public Tensor Logits(Example row, string adapter) => Run([row], [adapter])[0];

        /// <summary>An encoder's state of each first token.</summary>
        public Tensor First(int[][] texts, string?[] adapters)
        {
            using Batch batch = Batch.Collate([.. texts.Select(ids => new Example { Ids = ids })], CPU, withLabels: false);
            return _hosted.Run(context => _model.Forward(batch, PositionSelection.First, context).squeeze(1), adapters);
        }

        public string[] Write(int[][] prompts, string?[] adapters)
        {
            using IDecodingSession session = Session(adapters);
            var found = TextGenerator.Generate(session, prompts, GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = 6 }, new GenerationOptions()));
            return [.. found.Select(texts => string.Join(' ', texts[0].Ids))];
        }

        public void Dispose() => _hosted.Dispose();

        private Tensor Run(Example[] rows, string?[] adapters)
        {
            using Batch batch = Batch.Collate(rows, CPU, withLabels: false);
            return _hosted.Run(context => _hosted.Host.Model.Forward(batch, context), adapters);
        }

        private void Attach(string name, TunerOptions options)
        {
            int seed = _hosted.Host.All.Count + 1;
            ITuner tuner = _hosted.Attach(name, options, seed).Tuner;
            using var noGrad = no_grad();
            using var generator = new Generator((ulong)seed, CPU);
            foreach (Parameter parameter in tuner.Trainable)
                parameter.Value.add_(normal(0, 0.2, parameter.Value.shape, ScalarType.Float32, CPU, generator: generator));
        }
    }
}
