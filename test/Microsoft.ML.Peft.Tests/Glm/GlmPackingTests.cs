using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>Several blanked texts in one row: what each costs and teaches is what it does alone.</summary>
[TestClass]
public sealed class GlmPackingTests : IDisposable
{
    private static readonly Dictionary<string, Func<TunerOptions>> s_tuners = new()
    {
        ["all weights"] = () => new FullOptions(),
        ["lora"] = () => new LoraOptions { Rank = 4 },
        ["prefix"] = () => new PrefixOptions { VirtualTokens = 3 },
    };

    private static readonly string[] s_texts = ["the film is very good .", "a book", "not a fine film and a very bad book , awful", "the cat"];

    private readonly TinyGlm _glm = new();

    public static IEnumerable<object[]> Tuners => s_tuners.Keys.Select(name => new object[] { name });

    public void Dispose() => _glm.Dispose();

    [TestMethod]
    [DynamicData(nameof(Tuners))]
    public void PackedTextsCostAndTeachWhatTheyDoAlone(string name)
    {
        using var scope = NewDisposeScope();
        Example[] rows = Rows();
        using PretrainedModel model = BaseModels.Open(_glm.Folder, CPU, seed: 1);
        var head = (LanguageModelHead)model.As<IFillsBlanks>().CreateLanguageModelHead();
        using ITuner tuner = s_tuners[name]().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        foreach (Parameter parameter in tuner.Trainable)
            Shake(parameter.Value);
        // Two rows of unequal length, so that there is padding too.
        var (losses, gradients) = Run(BlankRows.Pack(rows[..3]), BlankRows.Pack(rows[3..]));
        var alone = rows.Select(row => Run(row)).ToArray();
        TensorAssert.Close(cat([.. alone.Select(one => one.Losses)]), losses, 1e-5, 1e-5, "losses");
        for (int i = 0; i < gradients.Length; i++)
            TensorAssert.Close(alone.Select(one => one.Gradients[i]).Aggregate((sum, one) => sum + one), gradients[i], 1e-5, 1e-4, tuner.Trainable[i].Name);

        (Tensor Losses, Tensor[] Gradients) Run(params Example[] of)
        {
            tuner.Trainable.ClearGradients();
            using Batch batch = Batch.Collate(of, CPU, withLabels: true);
            Tensor all = head.TokenLosses(model.Features(batch, head, new ForwardContext { Seeds = new DropoutSeeds(1) }), batch.Labels!, ForwardContext.Inference);
            BackwardPass.Run(all.sum());
            return (all.detach()[batch.Labels!.flatten().ne(Batch.IgnoredLabel)], [.. tuner.Trainable.Select(p => p.Value.grad?.clone() ?? zeros_like(p.Value))]);
        }
    }

    /// <summary>The rows of a fit: texts go into them whole, as many as there is room for, and lose the same blanks whenever the draws are the same.</summary>
    [TestMethod]
    public void AFitPacksWholeTextsAndLearns()
    {
        using var glm = new UntrainedGlm(shape => shape.MaxLength = 96);
        MLContext ml = TestDevice.NewContext(seed: 1);
        TrainingResult packed = Fit(packTexts: true), alone = Fit(packTexts: false);
        Assert.IsLessThan(alone.Steps / 2, packed.Steps);
        double[] perplexity = [.. packed.History.Where(epoch => epoch.Validation is not null).Select(epoch => epoch.Validation![TrainingMetrics.Perplexity])];
        Assert.IsLessThan(perplexity[0] / 2, perplexity[^1], string.Join(' ', perplexity));

        TrainingResult Fit(bool packTexts)
        {
            using PeftTransformer model = ml.Peft().GlmPretrain(new GlmPretrain.Options
            {
                BaseModel = glm.Folder, StartFromScratch = true, Task = PeftTask.BlankInfilling(packTexts: packTexts), ValidationSet = UntrainedGlm.Load(ml, 16),
                Training = new TrainingOptions { MaxEpochs = 20, BatchSize = 4, LearningRate = 5e-3 },
            }).Fit(UntrainedGlm.Load(ml));
            return model.Training!;
        }
    }

    /// <summary>Rows are packed again as they were, and lose the same.</summary>
    [TestMethod]
    public void AnInterruptedRunGoesOnToTheBit()
    {
        using var glm = new UntrainedGlm(shape => shape.MaxLength = 96);
        string folder = Directory.CreateTempSubdirectory("glm-packing-").FullName;
        float[] whole = Fit(null, int.MaxValue);
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit(folder, 6));
        CollectionAssert.AreEqual(whole, Fit(folder, int.MaxValue));
        Directory.Delete(folder, recursive: true);

        float[] Fit(string? checkpoints, int last)
        {
            using var source = new CancellationTokenSource();
            MLContext ml = TestDevice.NewContext(seed: 1);
            using PeftTransformer model = ml.Peft().GlmPretrain(new GlmPretrain.Options
            {
                BaseModel = glm.Folder, StartFromScratch = true, Task = PeftTask.BlankInfilling(packTexts: true),
                Training = new TrainingOptions
                {
                    MaxEpochs = 3, BatchSize = 8, LearningRate = 5e-3, CheckpointFolder = checkpoints, CancellationToken = source.Token,
                    Progress = new TinyRun.Callback(progress => Stop(progress.Step >= last, source)),
                },
            }).Fit(UntrainedGlm.Load(ml));
            return [.. model.Transform(UntrainedGlm.Load(ml, 8)).GetColumn<float>("Perplexity")];
        }

        static void Stop(bool now, CancellationTokenSource source)
        {
            if (now)
                source.Cancel();
        }
    }

    /// <summary>They would stand before the contexts of all texts.</summary>
    [TestMethod]
    public void VirtualTokensBeforePackedRowsAreRefused()
    {
        MLContext ml = TestDevice.NewContext(seed: 1);
        var options = new PromptTune.Options
        {
            BaseModel = _glm.Folder, Task = PeftTask.BlankInfilling(packTexts: true), Prompt = new PromptOptions { VirtualTokens = 3 }, Training = new TrainingOptions { MaxSteps = 1 },
        };
        Assert.Contains("packTexts", Assert.ThrowsExactly<NotSupportedException>(() => ml.Peft().PromptTune(options).Fit(UntrainedGlm.Load(ml))).Message);
    }

    private Example[] Rows()
    {
        TextTokenizer tokenizer = _glm.Tokenizer;
        BlankTokens marks = BlankTokens.Of(tokenizer);
        var draws = new BlankDraws(new BlankShares(0.5, 0, 0.5), marks, new Sentences([]));
        return [.. s_texts.Select((text, i) => draws.Draw([marks.Cls, .. tokenizer.Encode(text, addSpecialTokens: false).Ids, marks.EndOfText], seed: i).Row)];
    }

    // What starts at nothing says nothing.
    private static void Shake(Tensor value)
    {
        using var noGrad = no_grad();
        using var generator = new Generator(7);
        using Tensor noise = randn(value.Sizes(), ScalarType.Float32, CPU, generator: generator).mul_(0.1);
        value.add_(noise);
    }
}
