using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tests.Estimators.Adapters;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>A weight that is no number is named where it is read, and not blamed on the learning rate.</summary>
[TestClass]
public sealed class FiniteWeightsTests : IDisposable
{
    private const string Matrix = "bert.encoder.layer.1.output.dense.weight", Table = "bert.embeddings.word_embeddings.weight";

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _adapter = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    private static PeftTask Task => PeftTask.TextClassification();

    public static IEnumerable<(string Door, Func<PeftCatalog, string, IEstimator<PeftTransformer>> Estimator)> Doors =>
    [
        ("LoRA", (peft, model) => peft.Lora(model, Task)), ("QLoRA", (peft, model) => peft.Qlora(model, Task)),
        ("every weight", (peft, model) => peft.FullFineTune(model, Task)), ("a probe", (peft, model) => peft.LinearProbe(model, Task)),
        ("rows in 8 bits", (peft, model) => peft.Lora(new LoraFineTune.Options
        {
            BaseModel = model, Task = Task, Quantization = new() { Format = QuantizationFormat.Int8Rowwise },
        })),
        ("bfloat16", (peft, model) => peft.Lora(new LoraFineTune.Options { BaseModel = model, Task = Task, Quantization = new() { Format = QuantizationFormat.BFloat16 } })),
        ("embedding", (peft, model) => peft.Embed(model)), ("NF4 alone", (peft, model) => peft.Nf4Quantize(model, PeftTask.TextEmbedding())),
    ];

    [TestMethod]
    [DynamicData(nameof(Doors))]
    public void ABaseIsRefusedAtEveryDoor(string door, Func<PeftCatalog, string, IEstimator<PeftTransformer>> estimator)
    {
        foreach (var (name, value) in new[] { (Matrix, float.NaN), (Matrix, float.NegativeInfinity), (Table, float.NaN) })
        {
            Spoil(Path.Combine(_bert.Folder, "model.safetensors"), name, value, out byte[] before);
            var e = Assert.ThrowsExactly<InvalidDataException>(() => estimator(_context.Peft(), _bert.Folder).Fit(Review.Load(_context)), door);
            StringAssert.Contains(e.Message, name, door);
            StringAssert.Contains(e.Message, "1 of", door);
            File.WriteAllBytes(Path.Combine(_bert.Folder, "model.safetensors"), before);
        }
    }

    [TestMethod]
    public void AnAdapterIsRefusedAtEveryDoor()
    {
        using PeftTransformer model = _context.Peft().Lora(_bert.Folder, Task, maxEpochs: 1).Fit(Review.Load(_context));
        model.SaveAdapter(_adapter);
        string name = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight";
        Spoil(Path.Combine(_adapter, "adapter_model.safetensors"), name, float.NaN, out _);

        Action[] doors =
        [
            () => model.Adapters.Load("other", _adapter),
            () => _context.Peft().Lora(new LoraFineTune.Options { BaseModel = _bert.Folder, Task = Task, AdapterFolder = _adapter }).Fit(Review.Load(_context)),
            () => _context.Peft().MergeAdapter(_bert.Folder, _adapter, _adapter + ".merged"),
        ];
        foreach (Action door in doors)
            StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(door).Message, name);
    }

    [TestMethod]
    public void ABaseIsRefusedByAMerge()
    {
        const string Name = "model.layers.0.self_attn.q_proj.weight";
        using var it = new AdapterFixture();
        string adapter = it.Train("learnt", "the lazy dog"), merged = it.PathOf("merged");
        Spoil(Path.Combine(it.Base, "model.safetensors"), Name, float.NaN, out _);
        foreach (ModelSource source in new ModelSource[] { it.Base, _context.Peft().Nf4Quantize(it.Base) })
        {
            var e = Assert.ThrowsExactly<InvalidDataException>(
                () => _context.Peft().MergeAdapter(source, adapter, merged, new MergeOptions { AllowOtherBase = true }));
            StringAssert.Contains(e.Message, Name);
            Assert.IsFalse(Directory.Exists(merged));
        }
    }

    [TestMethod]
    public void LargeFiniteNumbersAreNone()
    {
        using Tensor large = full([1000], 3e38f, ScalarType.Float32), half = full([1000], 60000f, ScalarType.Float16);
        FiniteWeights.Check(large, "file", "large");
        FiniteWeights.Check(half, "file", "half");
        using Tensor both = tensor(new[] { float.PositiveInfinity, float.NegativeInfinity }, ScalarType.Float32);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => FiniteWeights.Check(both, "file", "both")).Message, "2 of 2");
    }

    public void Dispose()
    {
        _bert.Dispose();
        if (Directory.Exists(_adapter))
            Directory.Delete(_adapter, recursive: true);
    }

    private static void Spoil(string file, string name, float value, out byte[] before)
    {
        before = File.ReadAllBytes(file);
        using var scope = NewDisposeScope();
        using var source = SafetensorsFile.Open(file);
        var tensors = source.Names.ToDictionary(n => n, n => source.Read(n).clone());
        tensors.Single(t => t.Key.EndsWith(name, StringComparison.Ordinal)).Value.flatten()[0] = value;
        SafetensorsWriter.WriteFile(file, tensors.Select(t => (t.Key, t.Value)), source.Metadata);
    }
}
