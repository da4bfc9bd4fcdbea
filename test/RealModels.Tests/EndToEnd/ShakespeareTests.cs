using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>A teller of children's stories goes to the theatre: continued pretraining of stories260k on tiny-shakespeare.</summary>
[TestClass]
public sealed class ShakespeareTests
{
    private static readonly string Model = Path.Combine(SharedData.Models, "stories260k");

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    [TestMethod, TestCategory("EndToEnd")]
    public void PerplexityFalls()
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        IDataView train = Speeches("train", every: 4), test = Speeches("test", every: 1);
        PeftTask task = PeftTask.CausalLanguageModelling();

        double before = Perplexity(_ml.Peft().FullFineTune(Model, task, maxEpochs: 1, learningRate: 1e-12), train, test);
        double lora = Perplexity(_ml.Peft().Lora(LoraOptions(task)), train, test);
        double full = Perplexity(_ml.Peft().FullFineTune(Model, task, maxEpochs: 2, batchSize: 8, learningRate: 2e-3), train, test);

        Console.WriteLine(FormattableString.Invariant($"tiny-shakespeare on stories260k: perplexity {before:f2} before, {lora:f2} with LoRA, {full:f2} with all weights"));
        Assert.IsLessThan(0.7 * before, lora);
        Assert.IsLessThan(lora, full);
    }

    private static double Perplexity(IEstimator<PeftTransformer> estimator, IDataView train, IDataView test)
    {
        using PeftTransformer model = estimator.Fit(train);
        return Math.Exp(Losses.Of(model, test));
    }

    private static LoraFineTune.Options LoraOptions(PeftTask task) => new()
    {
        BaseModel = Model,
        Task = task,
        Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = [Microsoft.ML.Peft.LoraOptions.AllLinear] },
        Training = new TrainingOptions { LearningRate = 5e-3, MaxEpochs = 2, BatchSize = 8 },
    };

    // A blank line stands between two speeches.
    private IDataView Speeches(string part, int every)
    {
        string text = File.ReadAllText(SharedData.Require(Path.Combine(SharedData.Data, "tiny-shakespeare"), part + ".txt"));
        return _ml.Data.LoadFromEnumerable(text.Split("\n\n").Where((_, i) => i % every == 0).Select(speech => new Speech { Text = speech }));
    }

    private sealed class Speech
    {
        public string Text { get; set; } = "";
    }
}
