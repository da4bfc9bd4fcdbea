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

/// <summary>CLIP over pictures and texts: what its towers make of them, the contrastive loss, gradients, six steps of all weights or of an adapter.</summary>
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
        Tensor logits = ContrastiveLoss.Logits(pictures, texts, loaded.Model.Scale.Value);
        parity.Check("out.logits_per_image", logits);
        parity.Check("out.loss", ContrastiveLoss.Softmax(logits));
        if (parity.Has("out.image_embeds"))
            parity.Check("out.image_embeds", pictures);
        if (parity.Has("out.text_embeds"))
            parity.Check("out.text_embeds", texts);
        if (parity.Has("out.vision_last"))
            parity.Check("out.vision_last", loaded.Model.PictureTower.Forward(loaded.Pixels, PositionSelection.All, ForwardContext.Inference));
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
            HfConfig config = HfConfig.Load(folder);
            Registries.Shared.Include(typeof(Clip).Assembly);
            Model = (Clip)ModelRegistry.Create(config, SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1);
            Pixels = parity.Input("in.pixel_values");
            Tensor ids = parity.Input("in.input_ids"), end = ids.eq(config.Section("text_config").Int("eos_token_id"));
            // A row ends with its first end token: the rest is padding.
            _texts = new Batch { Ids = ids, Mask = end.cumsum(1).sub(end.to(ScalarType.Int64)).eq(0), PadsEnd = true, Examples = [] };
        }

        public Clip Model { get; }

        public Tensor Pixels { get; }

        /// <summary>What the towers make of the pairs [B, width], of length 1.</summary>
        public (Tensor Pictures, Tensor Texts) Encode(ForwardContext context) =>
            (Normal(Model.EncodePictures(Pixels, context)), Normal(Model.EncodeTexts(_texts, context)));

        public Tensor Loss(ForwardContext context)
        {
            (Tensor pictures, Tensor texts) = Encode(context);
            return ContrastiveLoss.Softmax(ContrastiveLoss.Logits(pictures, texts, Model.Scale.Value));
        }

        public void Dispose()
        {
            _texts.Dispose();
            Model.Dispose();
        }

        private static Tensor Normal(Tensor states) => nn.functional.normalize(states.squeeze(1), 2, 1, 1e-12);
    }
}
