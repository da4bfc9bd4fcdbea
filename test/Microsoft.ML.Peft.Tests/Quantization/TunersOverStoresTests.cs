using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

/// <summary>A tuner cannot tell how the base is held: over each format it learns what it learns over the dequantized floats.</summary>
[TestClass]
public sealed class TunersOverStoresTests
{
    private const string ToDense = "dense";

    private static readonly QuantizationOptions[] s_formats =
    [
        .. Matrices.Formats,
        new() { VocabularyFormat = QuantizationFormat.Int8Rowwise },
        new() { Format = QuantizationFormat.Int8, VocabularyFormat = QuantizationFormat.BFloat16 },
    ];

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    [DataRow("opt")]
    public void LoraLearnsTheSame(string architecture) => Check(architecture, new LoraOptions { TargetModules = [LoraOptions.AllLinear], Dropout = 0.1 });

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    [DataRow("opt")]
    public void DoraLearnsTheSame(string architecture) => Check(architecture, new LoraOptions { TargetModules = [LoraOptions.AllLinear], UseDora = true });

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    public void PromptsLearnTheSame(string architecture) => Check(architecture, new PromptOptions { VirtualTokens = 3, Start = VirtualTokenStart.SampledVocabulary });

    [TestMethod]
    [DataRow("llama", false)]
    [DataRow("gpt2", true)]
    public void PrefixesLearnTheSame(string architecture, bool made) => Check(architecture, new PrefixOptions { VirtualTokens = 3, PrefixProjection = made });

    [TestMethod]
    [DataRow("llama", PTuningEncoder.Mlp)]
    [DataRow("gpt2", PTuningEncoder.Lstm)]
    public void PTuningLearnsTheSame(string architecture, PTuningEncoder encoder) => Check(architecture, new PTuningOptions { VirtualTokens = 3, Encoder = encoder });

    private static void Check(string architecture, TunerOptions options)
    {
        using var decoder = new TinyDecoder(architecture);
        foreach (QuantizationOptions format in s_formats)
        {
            string dense = Directory.CreateTempSubdirectory(ToDense).FullName;
            WriteDequantized(decoder.Folder, format, dense);
            using Run found = Train(decoder.Folder, format, options), expected = Train(dense, null, options);
            Directory.Delete(dense, recursive: true);
            for (int step = 0; step < expected.Losses.Count; step++)
                Assert.AreEqual(expected.Losses[step], found.Losses[step], 1e-4, $"{format.Key}: loss before step {step}");
            Assert.IsLessThan(found.Losses[0] - 0.01, found.Losses[^1], $"{format.Key}: nothing was learnt");
            foreach (var (name, gradient) in expected.Gradients)
                TensorAssert.Close(gradient, found.Gradients[name], 1e-5, 1e-3, $"{format.Key}: gradient of {name}");
            TensorAssert.Close(expected.Logits, found.Logits, 1e-3, 1e-3, $"{format.Key}: logits after training");
            TensorAssert.Close(expected.Merged, found.Merged, 1e-3, 1e-3, $"{format.Key}: merged into floats");
        }
    }

    /// <summary>What came out of a training: losses, the first gradients, logits beside the base and merged into it.</summary>
    private sealed record Run(IReadOnlyList<float> Losses, IReadOnlyDictionary<string, Tensor> Gradients, Tensor Logits, Tensor Merged) : IDisposable
    {
        public void Dispose()
        {
            foreach (Tensor tensor in Gradients.Values.Append(Logits).Append(Merged))
                tensor.Dispose();
        }
    }

    private static void WriteDequantized(string folder, QuantizationOptions format, string target)
    {
        using var scope = NewDisposeScope();
        using TextModel model = Open(folder, format);
        var quantized = model.Weights.Quantized.ToDictionary(weight => weight.Name);
        Assert.IsNotEmpty(quantized);
        File.Copy(Path.Combine(folder, "config.json"), Path.Combine(target, "config.json"));
        SafetensorsWriter.WriteFile(Path.Combine(target, "model.safetensors"), [
            .. model.Weights.All.Select(p => (p.Name, p.Value)),
            .. quantized.Values.Select(weight => (weight.Name, weight.IsTransposed ? weight.Dequantize().t() : weight.Dequantize())),
        ]);
    }

    private static Run Train(string folder, QuantizationOptions? format, TunerOptions options)
    {
        using var scope = NewDisposeScope();
        // A merge that quantizes again loses something, which the floats beside it do not (QuantizedWeightTests).
        using TextModel model = Open(folder, format is null ? null : new QuantizationOptions
        {
            Format = format.Format,
            BlockSize = format.BlockSize,
            DoubleQuantization = format.DoubleQuantization,
            OutlierThreshold = format.OutlierThreshold,
            VocabularyFormat = format.VocabularyFormat,
            RequantizeMerged = false,
        });
        Head head = model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        using ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        using var optimizer = new Optimizer(tuner.Trainable, TinyRun.Settings(new()));
        var participants = new Participants(tuner);
        participants.WeightsChanged();
        using var batch = new Batch { Ids = (arange(24, ScalarType.Int64) * 7 % 250 + 3).view(2, 12), Examples = [] };
        IReadOnlyDictionary<string, Tensor> gradients = new Dictionary<string, Tensor>();
        float[] losses = [.. Enumerable.Range(0, 8).Select(step => Step(model, head, optimizer, participants, batch, step, () =>
        {
            if (step == 0)
                gradients = tuner.Trainable.ToDictionary(p => p.Name, p => p.Value.grad!.clone().DetachFromDisposeScope());
        }))];
        Tensor logits = Logits(model, head, batch);
        Assert.AreEqual(options is LoraOptions, tuner.TryMerge(), "whether it merges");
        Tensor merged = Logits(model, head, batch);
        tuner.Unmerge();
        TensorAssert.Close(logits, Logits(model, head, batch), 0, 0, "unmerged");
        return new Run(losses, gradients, logits.DetachFromDisposeScope(), merged.DetachFromDisposeScope());
    }

    private static Tensor Logits(TextModel model, Head head, Batch batch)
    {
        using var noGrad = no_grad();
        return head.Forward(model.Forward(batch, PositionSelection.All, ForwardContext.Inference), batch, ForwardContext.Inference);
    }

    private static float Step(TextModel model, Head head, Optimizer optimizer, Participants participants, Batch batch, int step, Action backward)
    {
        using var scope = NewDisposeScope();
        var context = new ForwardContext { Seeds = new DropoutSeeds(step) };
        Tensor all = model.Forward(batch, PositionSelection.All, context), hidden = all.narrow(1, all.size(1) - 12, 11);
        Tensor loss = ((LanguageModelHead)head).TokenLosses(hidden, batch.Ids.narrow(1, 1, 11), context).mean();
        BackwardPass.Run(loss);
        participants.AfterBackward(step);
        backward();
        optimizer.Step(1e-2, gradientScale: 1);
        participants.AfterStep(step, totalSteps: 8);
        optimizer.ClearGradients();
        return loss.item<float>();
    }

    private static TextModel Open(string folder, QuantizationOptions? format) =>
        ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1, format).As<TextModel>();
}
