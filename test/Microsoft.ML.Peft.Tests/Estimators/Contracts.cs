using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>The contract over a tiny BERT, whatever the tuner.</summary>
public abstract class TinyBertContract : EstimatorContract
{
    private readonly TinyBert _bert = new();

    protected override IReadOnlyList<string> InputColumns => ["Text"];

    protected override string OtherColumn => "Number";

    protected string Folder => _bert.Folder;

    protected static PeftTask Task => PeftTask.TextClassification();

    protected static PeftTask Cloze(string pattern, ClozeScoring scoring) =>
        PeftTask.ClozeClassification(pattern, new Dictionary<string, string> { ["positive"] = "great", ["negative"] = "awful" }, scoring);

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    protected override IDataView CreateData() => Review.Load(Context);
}

[TestClass]
public sealed class LoraFineTuneContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().Lora(Folder, Task, rank: 2, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class FullFineTuneContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().FullFineTune(Folder, Task, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class LinearProbeContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().LinearProbe(Folder, Task, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class PromptTuneContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().PromptTune(Folder, Task, virtualTokens: 3, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class ClozeContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().PromptTune(Folder, Cloze("{prompt:2} {Text} {prompt:1} {mask}", ClozeScoring.OneToken), virtualTokens: 3, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class ClozeOfSeveralTokensContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().PromptTune(Folder, Cloze("{prompt:3} {Text} {mask}", ClozeScoring.MeanOfTokens), virtualTokens: 3, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class ZeroShotContract : EstimatorContract, IDisposable
{
    private readonly TinyBert _bert = new(fillsMasks: true);

    protected override IReadOnlyList<string> InputColumns => ["Text"];

    protected override string OtherColumn => "Number";

    public void Dispose() => _bert.Dispose();

    protected override IDataView CreateData() => Review.Load(Context);

    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().ZeroShot(_bert.Folder, PeftTask.FactualProbing("{Text} {mask}"));
}

[TestClass]
public sealed class TextEmbedderContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().Embed(Folder, batchSize: 8);
}

[TestClass]
public sealed class Nf4QuantizeContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().Nf4Quantize(Folder, PeftTask.TextEmbedding());
}

[TestClass]
public sealed class QloraContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().Qlora(Folder, Task, rank: 2, maxEpochs: 1, batchSize: 8);
}
