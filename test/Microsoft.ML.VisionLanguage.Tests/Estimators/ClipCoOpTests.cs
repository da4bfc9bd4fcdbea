using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Models;
using Microsoft.ML.VisionLanguage.Prompts;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class ClipCoOpContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipCoOp(Folder, contextLength: 3, maxEpochs: 2, batchSize: 5);

    protected override IDataView CreateData() => Labelled.Pictures(Context, 13);
}

[TestClass]
public sealed class ClipCoOpTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    [DataRow(ClassPosition.End, false)]
    [DataRow(ClassPosition.Middle, true)]
    [DataRow(ClassPosition.Front, false)]
    public void VectorsLearnAndTheModelStaysAsItIs(ClassPosition position, bool classSpecific)
    {
        IDataView data = Labelled.Pictures(_context, 30);
        using var model = Fit(data, new TrainingOptions { MaxEpochs = 60, LearningRate = 5e-2, Optimizer = TrainingOptimizer.AdamW }, position, classSpecific);
        // Vectors of its own move a class anywhere; those of all classes move a random model's classes by little, of which the loss tells.
        if (classSpecific)
            Assert.IsGreaterThan(0.85, _context.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy);
        Assert.AreEqual((classSpecific ? 3 : 1) * 4 * 16, model.TrainedWeights);
        Assert.IsLessThan(0.95 * model.Training!.History[0].Loss, model.Training.Loss);
        var clip = (Clip)model.Scorer.Model.Model;
        using Peft.Checkpoints.SafetensorsFile file = Peft.Checkpoints.SafetensorsFile.Open(Path.Combine(_clip.Folder, "model.safetensors"));
        foreach (Parameter parameter in clip.Weights.All.Where(p => !p.Name.StartsWith("prompt_learner.", StringComparison.Ordinal)))
        {
            using Tensor before = file.Read(parameter.Name);
            Assert.IsTrue(before.Equals(parameter.Value), parameter.Name);
        }
    }

    [TestMethod]
    [DataRow(ClassPosition.End, "a dark {0}.")]
    [DataRow(ClassPosition.Front, "{0} a dark.")]
    [DataRow(ClassPosition.Middle, "a {0} dark.")]
    public void BeforeTheFirstStepAPromptIsTheTextThatItStartsFrom(ClassPosition position, string text)
    {
        // Names of one token and of two: the shorter rows are padded.
        string[] names = ["red_square", "blue"];
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var clip = (Clip)Peft.Estimators.BaseModels.Open(_clip.Folder, CPU, seed: 1);
        var processor = VisionLanguage.Inputs.PictureProcessor.Load(_clip.Folder, new(), _clip.Folder);
        int[] start = ClassPrompts.Tokens(processor.Tokenizer, "a dark");
        var head = new PromptHead(clip, new ClassPrompts(processor.Tokenizer, names, position, 2, clip.MaxLength), 2, 2, classSpecific: false, start);
        // Pictures that are the texts themselves: of length 1, their cosines say which text a prompt is.
        Tensor expected = cat([.. names.Select(name => Encode(string.Format(null, text, name.Replace('_', ' '))))]);
        Tensor logits = head.Forward(expected.unsqueeze(1), null!, ForwardContext.Inference);
        Tensor cosines = logits / clip.Scale.Value.exp();
        Assert.AreEqual(1, cosines[0, 0].item<float>(), 1e-5);
        Assert.AreEqual(1, cosines[1, 1].item<float>(), 1e-5);
        Assert.IsLessThan(0.9999f, cosines[0, 1].item<float>());

        Tensor Encode(string words)
        {
            using Batch batch = Batch.Collate([Example.From(processor.Tokenizer.Encode(words))], CPU, withLabels: false);
            return nn.functional.normalize(clip.Texts.Encode(batch, ForwardContext.Inference with { Adapter = null }).squeeze(1));
        }
    }

    [TestMethod]
    public void AnInterruptedRunGoesOnToTheSameBits()
    {
        string folder = Directory.CreateTempSubdirectory("coop-").FullName;
        try
        {
            IDataView data = Labelled.Pictures(_context, 12);
            using var source = new CancellationTokenSource();
            var options = new TrainingOptions { MaxEpochs = 4, BatchSize = 4, CheckpointFolder = folder, CancellationToken = source.Token, Progress = new After(5, source) };
            Assert.Throws<OperationCanceledException>(() => Fit(data, options));
            using var resumed = Fit(data, new TrainingOptions { MaxEpochs = 4, BatchSize = 4, CheckpointFolder = folder });
            using var whole = Fit(data, new TrainingOptions { MaxEpochs = 4, BatchSize = 4 });
            foreach ((float[] expected, float[] found) in Scores(whole, data).Zip(Scores(resumed, data)))
                CollectionAssert.AreEqual(expected, found);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void ASavedModelBringsTheClassesVectors()
    {
        string folder = Directory.CreateTempSubdirectory("coop-").FullName, path = Path.Combine(folder, "prompts.zip");
        IDataView data = Labelled.Pictures(_context, 12);
        using PeftTransformer model = Fit(data, new TrainingOptions { MaxEpochs = 2 });
        _context.Model.SaveAtomically(model, data.Schema, path);
        using var loaded = (PeftTransformer)_context.Model.Load(path, out _);
        Directory.Delete(folder, recursive: true);
        CollectionAssert.AreEqual(Vectors(model), Vectors(loaded));
        Assert.AreNotEqual(0, Vectors(loaded)[0]);

        static float[] Vectors(PeftTransformer model) =>
            [.. model.Scorer.Model.Model.Weights.Constants.Single(constant => constant.Name == "prompt_learner.class_vectors").Value.data<float>()];
    }

    [TestMethod]
    public void WhatAFitTakesIsEstimated()
    {
        TrainingEstimate estimate = _context.VisionLanguage().ClipCoOp(_clip.Folder, contextLength: 3).Estimate(Labelled.Pictures(_context, 12));
        Assert.AreEqual(3 * 16 * sizeof(float), estimate.TrainableBytes);
        // SGD's, one number a weight.
        Assert.AreEqual(3 * 16 * sizeof(float), estimate.OptimizerBytes);
    }

    [TestMethod]
    public void APromptLongerThanTheModelReadsIsRefused()
    {
        string message = Assert.ThrowsExactly<ArgumentException>(
            () => _context.VisionLanguage().ClipCoOp(_clip.Folder, contextLength: 16).Fit(Labelled.Pictures(_context, 6))).Message;
        Assert.Contains("'red'", message);
        Assert.Contains("10", message);
    }

    [TestMethod]
    public void SettingsThatAreNoneAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ClipTask.LearnedPrompts(contextLength: 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ClipTask.LearnedPrompts(classPosition: (ClassPosition)9));
        Assert.ThrowsExactly<ArgumentException>(() => ClipTask.LearnedPrompts(initialText: " "));
    }

    private PeftTransformer Fit(IDataView data, TrainingOptions training, ClassPosition position = ClassPosition.End, bool classSpecific = false) =>
        (PeftTransformer)new MLContext(seed: 3).VisionLanguage().ClipCoOp(new ClipCoOp.Options
        {
            BaseModel = _clip.Folder,
            Task = ClipTask.LearnedPrompts(contextLength: 4, classPosition: position, classSpecific: classSpecific),
            Training = training,
        }).Fit(data);

    private static float[][] Scores(ITransformer model, IDataView data) => [.. model.Transform(data).GetColumn<float[]>("Score")];

    /// <summary>Cancels after a number of steps.</summary>
    private sealed class After(int steps, CancellationTokenSource source) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step == steps)
                source.Cancel();
        }
    }
}
