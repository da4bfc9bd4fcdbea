using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Generation;

/// <summary>Rows that come and go give the logits that they give alone.</summary>
[TestClass]
public sealed class JoinedSessionTests
{
    private static readonly int[][] s_prompts = [[70, 71, 72, 73, 74, 75, 76], [80], [90, 91, 92]];

    [TestMethod]
    [DataRow("llama")]
    [DataRow("qwen2")]
    [DataRow("gpt2")]
    [DataRow("opt")]
    [DataRow("opt-350m")]
    public void RowsOfDifferentLengthsAreWhatTheyAreAlone(string modelType)
    {
        using var folder = new TinyDecoder(modelType);
        using HostedModel model = HostedModel.Decoder(folder.Folder);
        long before = Tensor.TotalCount;
        using (var scope = NewDisposeScope())
        using (IJoinableSession batch = Read(model, s_prompts[0]), second = Read(model, s_prompts[1]), third = Read(model, s_prompts[2]))
        {
            var texts = s_prompts.Select(prompt => prompt.ToList()).ToList();
            batch.Join([second]);
            Step(batch, texts[..2], 100, 101);
            batch.Join([third]);
            for (int i = 0; i < 3; i++)
                Step(batch, texts, 110 + i, 120 + i, 130 + i);
            // The longest leaves, and its columns with it; then one is left, without any padding.
            batch.Keep([2, 1]);
            texts = [texts[2], texts[1]];
            Step(batch, texts, 140, 141);
            batch.Keep([0]);
            Step(batch, texts[..1], 150);
            Assert.AreEqual(1, batch.Rows);

            void Step(IDecodingSession session, List<List<int>> rows, params long[] ids)
            {
                Tensor found = session.Next(ids);
                for (int i = 0; i < rows.Count; i++)
                {
                    rows[i].Add((int)ids[i]);
                    using IDecodingSession alone = model.Open();
                    Tensor expected = Prompts.Read(alone, [[.. rows[i]]], 1);
                    Assert.IsLessThan(1e-4f, (found[i] - expected[0]).abs().max().item<float>(), $"row {i} after {rows[i].Count} tokens");
                }
            }
        }
        Assert.AreEqual(before, Tensor.TotalCount, "live tensors");
    }

    [TestMethod]
    public void ABatchThatNeverEmptiesDoesNotGrow()
    {
        using var folder = new TinyDecoder();
        using TextModel model = Open(folder);
        using var batch = new Rolling(model);
        for (int i = 0; i < 40; i++)
            batch.Replace(s_prompts[i % 3]);
        Assert.IsLessThan(40, batch.Length, "tokens and padding of two rows with 10 steps each");
    }

    private static TextModel Open(TinyDecoder folder) =>
        ModelRegistry.Create(HfConfig.Load(folder.Folder), SharedCheckpoint.Acquire(folder.Folder, CPU), CPU, seed: 1).As<TextModel>();

    private static IJoinableSession Read(HostedModel model, int[] prompt)
    {
        IJoinableSession session = model.Open();
        Prompts.Read(session, [prompt], 1).Dispose();
        return session;
    }

    /// <summary>Two rows, of which the older one is always replaced.</summary>
    private sealed class Rolling(TextModel model) : IDisposable
    {
        private KeyValueCache _cache = Fill(model, s_prompts[0]);

        public long Length => _cache.Length;

        public void Replace(int[] prompt)
        {
            using var scope = NewDisposeScope();
            using var noGrad = inference_mode();
            using KeyValueCache newcomer = Fill(model, prompt);
            KeyValueCache joined = KeyValueCache.Join([_cache, newcomer]);
            _cache.Dispose();
            _cache = joined;
            for (int step = 0; step < 5; step++)
                Forward(model, tensor(new long[] { 100, 101 }, [2, 1]), _cache);
            _cache.Keep([1]);
        }

        public void Dispose() => _cache.Dispose();

        private static KeyValueCache Fill(TextModel model, int[] prompt)
        {
            using var scope = NewDisposeScope();
            using var noGrad = inference_mode();
            var cache = new KeyValueCache(((DecoderModel)model).LayerCount);
            Forward(model, tensor(prompt.Select(id => (long)id).ToArray()).unsqueeze(0), cache);
            return cache;
        }

        private static void Forward(TextModel model, Tensor ids, KeyValueCache cache) =>
            model.Forward(new Batch { Ids = ids, Examples = [] }, PositionSelection.Last, new ForwardContext { Adapter = null, Cache = cache }).Dispose();
    }
}
