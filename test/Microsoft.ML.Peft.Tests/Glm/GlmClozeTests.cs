using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>Cloze classification over GLM: behind the text stands what the gap is asked for, and its end.</summary>
[TestClass]
public sealed class GlmClozeTests : IDisposable
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyGlm _glm = new(TinyGlm.Kinds[1]);

    public static IEnumerable<object[]> Kinds => TinyGlm.Kinds.Select(kind => new object[] { kind });

    public void Dispose() => _glm.Dispose();

    [TestMethod]
    [DataRow(ClozeScoring.OneToken, "great", "awful")]
    [DataRow(ClozeScoring.MeanOfTokens, "very good", "bad")]
    [DataRow(ClozeScoring.SumOfTokens, "very good", "bad")]
    public void ItSaysBehindTheTextWhatStandsInTheGap(ClozeScoring scoring, string positive, string negative)
    {
        var words = new Dictionary<string, string> { ["positive"] = positive, ["negative"] = negative };
        using PeftTransformer model = _ml.Peft().ZeroShot(_glm.Folder, PeftTask.ClozeClassification("{Text} is {mask} .", words, scoring)).Fit(Review.Load(_ml));
        using var scope = NewDisposeScope();
        float[] likelihoods = [Likelihood(scoring, positive), Likelihood(scoring, negative)];
        float[] found = model.Transform(_ml.Data.LoadFromEnumerable([new { Text = "the film" }])).GetColumn<float[]>("Score").Single();
        TensorAssert.Close(tensor(likelihoods).softmax(0), tensor(found), 1e-5, 1e-5, "scores");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void ItLearns(string kind)
    {
        using var glm = new TinyGlm(kind);
        var losses = new List<double>();
        IDataView data = Review.Load(_ml, 24);
        using PeftTransformer model = _ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = glm.Folder,
            Task = PeftTask.ClozeClassification("{Text} is {mask} .", new Dictionary<string, string> { ["positive"] = "very fine", ["negative"] = "poor" }, ClozeScoring.SumOfTokens),
            Training = new TrainingOptions { MaxEpochs = 8, LearningRate = 2e-2, BatchSize = 8, Progress = new TinyRun.Callback(progress => losses.Add(progress.Loss)) },
        }).Fit(data);
        Assert.IsLessThan(losses[0] / 2, losses[^1]);
    }

    /// <summary>Virtual tokens where the pattern keeps places, made by GLM's own network.</summary>
    [TestMethod]
    public void ContinuousPromptsStandInThePattern()
    {
        var losses = new List<double>();
        using PeftTransformer model = _ml.Peft().PTune(new PTune.Options
        {
            BaseModel = _glm.Folder,
            Task = PeftTask.ClozeClassification("{prompt:2} {Text} {prompt:1} {mask}", new Dictionary<string, string> { ["positive"] = "great", ["negative"] = "awful" }),
            Prompt = new PTuningOptions { VirtualTokens = 3, Start = VirtualTokenStart.Random, Encoder = PTuningEncoder.GlmLstm },
            Training = new TrainingOptions { MaxEpochs = 20, LearningRate = 2e-2, BatchSize = 8, Progress = new TinyRun.Callback(progress => losses.Add(progress.Loss)) },
        }).Fit(Review.Load(_ml, 24));
        Assert.IsLessThan(0.8 * losses[0], losses[^1]);
    }

    private float Likelihood(ClozeScoring scoring, string answer)
    {
        using PretrainedModel model = BaseModels.Open(_glm.Folder, CPU, seed: 1);
        Head head = model.As<IFillsBlanks>().CreateLanguageModelHead();
        TextTokenizer tokenizer = _glm.Tokenizer;
        BlankTokens roles = BlankTokens.Of(tokenizer);
        int[] words = tokenizer.EncodePart(answer, continues: true);
        int[] context = [roles.Cls, .. tokenizer.EncodePart("the film is", continues: false), roles.Mask, .. tokenizer.EncodePart(".", continues: true), roles.EndOfText];
        int blank = Array.IndexOf(context, roles.Mask), length = context.Length;
        long[] ids = [.. context.Select(id => (long)id), roles.Start, .. words.Select(id => (long)id)];
        var batch = new Batch
        {
            Ids = tensor(ids).unsqueeze(0), ContextLengths = tensor(new[] { (long)length }), Examples = [],
            PositionIds = tensor(ids.Select((_, i) => (long)(i < length ? i : blank)).ToArray()).unsqueeze(0),
            BlockPositionIds = tensor(ids.Select((_, i) => (long)Math.Max(0, i - length + 1)).ToArray()).unsqueeze(0),
        };
        using var noGrad = no_grad();
        Tensor logits = head.Forward(model.Features(batch, head, ForwardContext.Inference), batch, ForwardContext.Inference)[0];
        if (scoring == ClozeScoring.OneToken)
            return logits[length, words.Single()].item<float>();
        float[] each = [.. words.Append(roles.End).Select((id, i) => logits[length + i].log_softmax(-1)[id].item<float>())];
        return scoring == ClozeScoring.SumOfTokens ? each.Sum() : each.Average();
    }
}
