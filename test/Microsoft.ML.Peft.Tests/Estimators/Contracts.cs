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
public sealed class PrefixTuneContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().PrefixTune(Folder, Task, virtualTokens: 3, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class PTuneV2Contract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().PTuneV2(Folder, Task, virtualTokens: 3, prefixProjection: true, maxEpochs: 1, batchSize: 8);
}

[TestClass]
public sealed class PTuneContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().PTune(Folder, Task, virtualTokens: 3, encoder: PTuningEncoder.Lstm, maxEpochs: 1, batchSize: 8);
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

[TestClass]
public sealed class TextToTextContract : EstimatorContract
{
    private readonly TinyT5 _t5 = new();

    protected override IReadOnlyList<string> InputColumns => ["Text", "Completion"];

    protected override IReadOnlyList<string> FittedColumns => ["Completion"];

    protected override string OtherColumn => "Number";

    [TestCleanup]
    public void DeleteModel() => _t5.Dispose();

    protected override IEstimator<ITransformer> CreateEstimator() =>
        Context.Peft().Lora(_t5.Folder, PeftTask.TextGeneration("Text"), rank: 2, maxEpochs: 1, batchSize: 8);

    protected override IDataView CreateData() =>
        Context.Data.LoadFromEnumerable(Review.Make(11).Select(row => new Written { Text = row.Text, Completion = row.Label, Number = row.Number }));

    private sealed class Written
    {
        public string Text { get; set; } = "";

        public string Completion { get; set; } = "";

        public float Number { get; set; }
    }
}

[TestClass]
public sealed class QuestionAnswerContract : TinyBertContract
{
    protected override IReadOnlyList<string> InputColumns => ["Text", "Label", "Answer", "Place"];

    protected override IReadOnlyList<string> FittedColumns => ["Answer", "Place"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = Folder, Task = PeftTask.QuestionAnswer("Text", "Label", "Answer", "Place", "Found", stride: 2), MaxLength = 10,
        Training = new() { MaxEpochs = 1, BatchSize = 8 },
    });

    protected override IDataView CreateData() => Context.Data.LoadFromEnumerable(Review.Make(11).Select(row => new Asked
    {
        Text = row.Text, Label = row.Label, Answer = row.Text.Split(' ')[0], Number = row.Number,
    }));

    private sealed class Asked
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";

        public string Answer { get; set; } = "";

        public int Place { get; set; }

        public float Number { get; set; }
    }
}

[TestClass]
public sealed class GlmPretrainContract : EstimatorContract
{
    private readonly UntrainedGlm _glm = new();

    protected override IReadOnlyList<string> InputColumns => ["Text"];

    protected override string OtherColumn => "Number";

    [TestCleanup]
    public void DeleteModel() => _glm.Dispose();

    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().GlmPretrain(new()
    {
        BaseModel = _glm.Folder, StartFromScratch = true, Training = new TrainingOptions { MaxEpochs = 1, BatchSize = 8 },
    });

    protected override IDataView CreateData() => Review.Load(Context);
}
