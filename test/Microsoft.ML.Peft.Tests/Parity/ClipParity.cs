using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.Peft.Weights;
using Microsoft.ML.VisionLanguage.Models;
using Microsoft.ML.VisionLanguage.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>
/// CLIP and SigLIP over pictures and texts, in whatever layout: what the towers make of them, the contrastive loss, gradients, six steps of all weights or
/// of an adapter.
/// </summary>
internal static class ClipParity
{
    private const string Gradient = "out.grad.", Losses = "train.losses", Scales = "train.logit_scale";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new Pairs(parity);
        string adapter = Path.Combine(parity.Folder, "adapter");
        using ITuner tuner = (Directory.Exists(adapter) ? AdapterFolder.ReadOptions(adapter) : parity.Has(Losses) ? new FullOptions() : new FrozenOptions()).Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, []), seed: 1);
        if (Directory.Exists(adapter))
            AdapterStart.Import(tuner, adapter);
        CheckForward(parity, loaded);
        CheckGradients(parity, loaded);
        if (parity.Has("out.merged_loss"))
        {
            Assert.IsTrue(tuner.TryMerge());
            parity.Check("out.merged_loss", loaded.Loss(ForwardContext.Inference));
            tuner.Unmerge();
        }
        if (parity.Has(Losses))
            CheckTraining(parity, loaded, tuner);
    }

    private static void CheckForward(ParityCase parity, Pairs loaded)
    {
        using var noGrad = no_grad();
        (Tensor pictures, Tensor texts) = loaded.Encode(ForwardContext.Inference);
        var answers = new Dictionary<string, Func<Tensor>>
        {
            ["out.logits_per_image"] = () => loaded.Logits(ForwardContext.Inference),
            ["out.loss"] = () => loaded.Loss(ForwardContext.Inference),
            ["out.image_embeds"] = () => pictures,
            ["out.text_embeds"] = () => texts,
            ["out.image_features"] = () => loaded.Pictures(ForwardContext.Inference),
            ["out.text_features"] = () => loaded.Texts(ForwardContext.Inference),
            ["out.vision_last"] = () => loaded.Model.Pictures.States(loaded.Pixels, ForwardContext.Inference),
        };
        foreach (var (name, answer) in answers.Where(answer => parity.Has(answer.Key)))
            parity.Check(name, answer());
    }

    private static void CheckGradients(ParityCase parity, Pairs loaded)
    {
        string[] graded = [.. parity.TensorNames.Where(name => name.StartsWith(Gradient, StringComparison.Ordinal)).Select(name => name[Gradient.Length..])];
        if (graded.Length == 0)
            return;
        BackwardPass.Run(loaded.Loss(ForwardContext.Inference));
        foreach (string name in graded)
            parity.Check(Gradient + name, loaded.Model.Weights.All.Single(parameter => parameter.Name == name).Value.grad!);
        foreach (Parameter parameter in loaded.Model.Weights.All)
            parameter.Value.grad?.zero_();
    }

    private static void CheckTraining(ParityCase parity, Pairs loaded, ITuner tuner)
    {
        var scales = new List<float>();
        float Scale() => loaded.Model.Scale.Value.item<float>();
        float[] losses = TunerParity.Train(parity, tuner, context =>
        {
            scales.Add(Scale());
            return loaded.Loss(context);
        });
        parity.Check(Losses, tensor(losses));
        if (parity.Has(Scales))
            parity.Check(Scales, tensor([.. scales, Scale()]));
        if (Directory.Exists(Path.Combine(parity.Folder, ParityCase.Trained)))
            parity.CheckTrained(tuner.Export());
    }

    /// <summary>A case's checkpoint and its batch of pairs.</summary>
    private sealed class Pairs : IDisposable
    {
        private readonly Batch _texts;

        public Pairs(ParityCase parity)
        {
            string folder = Path.Combine(parity.Folder, "model");
            Registries.Shared.Include(typeof(TwoTowerModel).Assembly);
            Model = (TwoTowerModel)ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, TestDevice.Device), TestDevice.Device, seed: 1);
            Pixels = parity.Input("in.pixel_values");
            // The cases' texts are filled up, and the references were given no mask.
            _texts = new Batch { Ids = parity.Input("in.input_ids"), PadsEnd = true, Examples = [] };
        }

        public TwoTowerModel Model { get; }

        public Tensor Pixels { get; }

        /// <summary>What the towers make of the pairs [B, width], of length 1.</summary>
        public (Tensor Pictures, Tensor Texts) Encode(ForwardContext context) => (Normal(Pictures(context)), Normal(Texts(context)));

        /// <summary>The same as it is.</summary>
        public Tensor Pictures(ForwardContext context) => Model.Pictures.Encode(Pixels, context).squeeze(1);

        /// <inheritdoc cref="Pictures"/>
        public Tensor Texts(ForwardContext context) => Model.Texts.Encode(_texts, context).squeeze(1);

        public Tensor Logits(ForwardContext context)
        {
            (Tensor pictures, Tensor texts) = Encode(context);
            return ContrastiveLoss.Logits(pictures, texts, Model.Scale.Value, Model.Bias?.Value);
        }

        public Tensor Loss(ForwardContext context) => Model.Bias is null ? ContrastiveLoss.Softmax(Logits(context)) : ContrastiveLoss.Sigmoid(Logits(context));

        public void Dispose()
        {
            _texts.Dispose();
            Model.Dispose();
        }

        private static Tensor Normal(Tensor states) => nn.functional.normalize(states, 2, 1, 1e-12);
    }
}
