using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Models;

/// <summary>Training through each kind of towers: with LoRA at their projections, and of all weights.</summary>
[TestClass]
public sealed class TowerTrainingTests
{
    private readonly MLContext _context = new(seed: 1);

    [TestMethod]
    [DataRow("transformer")]
    [DataRow("network")]
    [DataRow("siglip")]
    public void EveryWeightGetsAGradientWhereAllTrain(string kind)
    {
        using var scope = NewDisposeScope();
        using IDisposable folder = Open(kind, out string path);
        using var model = (TwoTowerModel)BaseModels.Open(path, CPU, seed: 1);
        using ITuner tuner = new FullOptions().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1);
        float[][] statistics = [.. model.Weights.Constants.Select(Values)];
        Assert.AreEqual(kind == "network", statistics.Length > 0);
        foreach (bool checkpointing in new[] { false, true })
        {
            BackwardPass.Run(Loss(model, ForwardContext.Inference with { Checkpointing = checkpointing }));
            string[] without = [.. model.Weights.All.Where(weight => weight.Name is not ("logit_scale" or "logit_bias") && weight.Value.grad is not { } gradient || weight.Value.grad?.abs().sum().item<float>() == 0)
                .Select(weight => weight.Name)];
            Assert.IsEmpty(without.Where(name => !name.StartsWith("logit_", StringComparison.Ordinal) && !name.EndsWith("k_proj.bias", StringComparison.Ordinal)), string.Join(", ", without));
            foreach (Parameter weight in model.Weights.All)
                weight.Value.grad?.zero_();
        }
        CollectionAssert.AreEqual(statistics.SelectMany(values => values).ToArray(), model.Weights.Constants.SelectMany(Values).ToArray());
    }

    [TestMethod]
    [DataRow("network")]
    [DataRow("siglip")]
    public void LoraStandsAtTheProjectionsOfBothTowers(string kind)
    {
        using IDisposable folder = Open(kind, out string path);
        using var model = (TwoTowerModel)BaseModels.Open(path, CPU, seed: 1);
        using ITuner tuner = new LoraOptions { Rank = 2 }.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1);
        string[] tuned = [.. tuner.Export().Select(tensor => tensor.Name)];
        Assert.IsTrue(tuned.Any(name => name.Contains("text_model.encoder.layers.0.self_attn.q_proj", StringComparison.Ordinal)), string.Join(", ", tuned));
        Assert.IsTrue(tuned.Any(name => name.Contains(kind == "network" ? "vision_model.attnpool.v_proj" : "vision_model.encoder.layers.0.self_attn.v_proj", StringComparison.Ordinal)), string.Join(", ", tuned));
    }

    [TestMethod]
    [DataRow("network", true)]
    [DataRow("network", false)]
    [DataRow("siglip", true)]
    [DataRow("siglip", false)]
    public void AFitAndItsArchiveSayTheSame(string kind, bool lora)
    {
        using IDisposable folder = Open(kind, out string path);
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(6).DistinctBy(row => row.Text));
        var options = new ClipFineTune.Options { BaseModel = path, Training = new TrainingOptions { MaxEpochs = 2, BatchSize = 4, LearningRate = 1e-2 } };
        if (!lora)
            options.Adapter = null;
        string archive = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.zip");
        try
        {
            float[] before;
            float[] statistics;
            using (var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(options).Fit(data))
            {
                before = Scores(model, data);
                statistics = [.. model.Scorer.Model.Model.Weights.Constants.SelectMany(Values)];
                _context.Model.Save(model, data.Schema, archive);
            }
            using (PretrainedModel untouched = BaseModels.Open(path, CPU, seed: 1))
                CollectionAssert.AreEqual(untouched.Weights.Constants.SelectMany(Values).ToArray(), statistics, "the statistics of batch norms");
            // All that is left is the archive.
            folder.Dispose();
            using var loaded = (PeftTransformer)_context.Model.Load(archive, out _);
            // Convolutions sum in another order where their weights lie otherwise in memory.
            using var scope = NewDisposeScope();
            TensorAssert.Close(tensor(before, device: CPU), tensor(Scores(loaded, data), device: CPU), 2e-6, 2e-6, "the archive");
            CollectionAssert.AreEqual(statistics, loaded.Scorer.Model.Model.Weights.Constants.SelectMany(Values).ToArray());
        }
        finally
        {
            File.Delete(archive);
        }
    }

    private static float[] Scores(PeftTransformer model, IDataView data) =>
        [.. model.Transform(data).GetColumn<float[]>("ImageEmbedding").Concat(model.Transform(data).GetColumn<float[]>("TextEmbedding")).SelectMany(vector => vector)];

    private static float[] Values(Parameter weight) => weight.Value.data<float>().ToArray();

    private static Tensor Loss(TwoTowerModel model, ForwardContext context)
    {
        int side = model.Config.Section("vision_config").Int("image_size"), last = model is Siglip ? 1 : 11;
        using var generator = new Generator(3, CPU);
        Tensor pixels = randn([3, 3, side, side], ScalarType.Float32, CPU, generator: generator);
        using var texts = new Batch
        {
            Ids = tensor([.. Enumerable.Range(0, 3).SelectMany(row => Enumerable.Range(0, 9).Select(i => (long)((row * 7) + (i * 4)) % 11).Append(last))], [3, 10], ScalarType.Int64, CPU), Examples = [],
        };
        return model.Pictures.Encode(pixels, context).mul(model.Texts.Encode(texts, context)).pow(2).sum();
    }

    private static IDisposable Open(string kind, out string path)
    {
        if (kind == "siglip")
        {
            var siglip = new TinyClip(change: TinyClip.AsSiglip);
            path = siglip.Folder;
            return siglip;
        }
        var openAi = new OpenAiFolder(kind == "network");
        path = openAi.Weights;
        return openAi;
    }
}
