using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>An adapter that changes nothing is said to, after training and when it is loaded; one that changes something is not.</summary>
[TestClass]
public sealed class AdapterEffectTests : IDisposable
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _root = Directory.CreateTempSubdirectory("effect-").FullName;
    private readonly List<string> _warnings = [];

    public AdapterEffectTests() => _ml.Log += (_, e) =>
    {
        if (e.Kind == ChannelMessageKind.Warning && e.Message.Contains("changes nothing", StringComparison.Ordinal))
            _warnings.Add(e.Message);
    };

    public void Dispose()
    {
        _bert.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    public void LoraThatStayedAtItsStartIsNamed()
    {
        // An update that rounds to nothing.
        using PeftTransformer idle = _ml.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1, learningRate: 1e-60).Fit(Review.Load(_ml));
        Assert.HasCount(1, _warnings);
        idle.SaveAdapter(Path.Combine(_root, "idle"));
        using PeftTransformer model = _ml.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(_ml));
        Assert.HasCount(1, _warnings);
        model.Adapters.Load("idle", Path.Combine(_root, "idle"));
        Assert.HasCount(2, _warnings);
        Assert.Contains("idle", _warnings[1]);
    }

    [TestMethod]
    public void APromptThatWorksIsNot()
    {
        using PeftTransformer model = _ml.Peft().PromptTune(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(_ml));
        model.SaveAdapter(Path.Combine(_root, "prompt"));
        model.Adapters.Load("again", Path.Combine(_root, "prompt"));
        Assert.IsEmpty(_warnings);
    }
}
