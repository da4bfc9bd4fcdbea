using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

/// <summary>A tuner cannot tell how the base is held: over each format it learns what it learns over the dequantized floats.</summary>
[TestClass]
public sealed class TunersOverStoresTests
{
    private const string ToDense = "dense";

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    public void LoraLearnsTheSame(string architecture) => Check(architecture, new LoraOptions { TargetModules = [LoraOptions.AllLinear], Dropout = 0.1 });

    [TestMethod]
    public void DoraLearnsTheSame() => Check("llama", new LoraOptions { TargetModules = [LoraOptions.AllLinear], UseDora = true });

    private static void Check(string architecture, LoraOptions lora)
    {
        using var decoder = new TinyDecoder(architecture);
        foreach (QuantizationOptions format in Matrices.Formats)
        {
            string dense = Directory.CreateTempSubdirectory(ToDense).FullName;
            WriteDequantized(decoder.Folder, format, dense);
            var found = Train(decoder.Folder, format, lora);
            var expected = Train(dense, null, lora);
            Directory.Delete(dense, recursive: true);
            for (int step = 0; step < expected.Length; step++)
                Assert.AreEqual(expected[step], found[step], 1e-4, $"{format.Key}: loss before step {step}");
            Assert.IsLessThan(found[0] - 0.01, found[^1], $"{format.Key}: nothing was learnt");
        }
    }

    private static void WriteDequantized(string folder, QuantizationOptions format, string target)
    {
        using var scope = NewDisposeScope();
        using PretrainedModel model = Open(folder, format);
        var quantized = model.Weights.Quantized.ToDictionary(weight => weight.Name);
        Assert.IsNotEmpty(quantized);
        File.Copy(Path.Combine(folder, "config.json"), Path.Combine(target, "config.json"));
        SafetensorsWriter.WriteFile(Path.Combine(target, "model.safetensors"), [
            .. model.Weights.All.Select(p => (p.Name, p.Value)),
            .. quantized.Values.Select(weight => (weight.Name, weight.IsTransposed ? weight.Dequantize().t() : weight.Dequantize())),
        ]);
    }

    private static float[] Train(string folder, QuantizationOptions? format, LoraOptions lora)
    {
        using var scope = NewDisposeScope();
        using PretrainedModel model = Open(folder, format);
        Head head = model.CreateLanguageModelHead();
        using ITuner tuner = lora.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        using var optimizer = new Peft.Training.AdamW(tuner.Trainable, new TrainingOptions());
        using var batch = new Batch { Ids = (arange(24, ScalarType.Int64) * 7 % 250 + 3).view(2, 12), Examples = [] };
        return [.. Enumerable.Range(0, 8).Select(step => Step(model, head, optimizer, batch, step))];
    }

    private static float Step(PretrainedModel model, Head head, Peft.Training.AdamW optimizer, Batch batch, int step)
    {
        using var scope = NewDisposeScope();
        var context = new ForwardContext { Seeds = new DropoutSeeds(step) };
        Tensor logits = head.Forward(model.Forward(batch, RowSelection.All, context), batch, context);
        Tensor loss = nn.functional.cross_entropy(logits.narrow(1, 0, 11).flatten(0, 1), batch.Ids.narrow(1, 1, 11).flatten());
        BackwardPass.Run(loss);
        optimizer.Step(1e-2, gradientScale: 1);
        optimizer.ClearGradients();
        return loss.item<float>();
    }

    private static PretrainedModel Open(string folder, QuantizationOptions? format) =>
        ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1, format);
}
