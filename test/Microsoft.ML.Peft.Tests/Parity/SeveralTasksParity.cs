using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>One prefix under two heads: the first rows are a sentence's, the last a tagger's; they are trained in turns.</summary>
internal static class SeveralTasksParity
{
    private const string Sentence = "sentence", Tags = "tags", HeadsFile = "heads.safetensors", HeadScope = "heads.";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        string folder = Path.Combine(parity.Folder, "adapter");
        using ITensorSource start = SafetensorsFile.Open(Path.Combine(folder, HeadsFile));
        using PretrainedModel model = Open(parity);
        var heads = model.As<ISeveralClassifiers>();
        Head sentence = Take(start, Sentence, heads), tags = Take(start, Tags, heads);
        long sentences = parity.Input("in.sentence_labels").size(0), all = parity.Input("in.input_ids").size(0);

        Tensor Answer(Head head, bool first, ForwardContext context)
        {
            using Batch batch = first ? Rows(parity, 0, sentences) : Rows(parity, sentences, all - sentences);
            Tensor hidden = model.As<TextModel>().Forward(batch, first ? PositionSelection.First : PositionSelection.All, context);
            Tensor logits = head.Forward(hidden, batch, context);
            return first ? logits.squeeze(1) : logits;
        }
        using (no_grad())
        {
            using Batch batch = Rows(parity, 0, all);
            parity.Check("out.plain_hidden", model.As<TextModel>().Forward(batch, PositionSelection.All, ForwardContext.Inference));
        }

        using ITuner tuner = AdapterFolder.ReadOptions(folder).Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, [.. sentence.Parameters, .. tags.Parameters]), seed: 1);
        using (AdapterState saved = AdapterFolder.Read(folder))
            tuner.Import(new WithHeads(saved.Tensors, tuner));
        CheckLogits("out.");
        int step = 0;
        parity.Check("train.losses", tensor(TunerParity.Train(parity, tuner, context =>
        {
            bool first = step++ % 2 == 0;
            Tensor labels = parity.Input(first ? "in.sentence_labels" : "in.tag_labels");
            return nn.functional.cross_entropy(Answer(first ? sentence : tags, first, context).flatten(0, -2), labels.flatten(), ignore_index: Batch.IgnoredLabel);
        })));
        CheckLogits("train.");
        parity.CheckTrained([.. tuner.Export().Select(trained => (Bare(trained.Name), trained.Value))], "adapter_model.safetensors", HeadsFile);

        void CheckLogits(string stage)
        {
            using var noGradient = no_grad();
            parity.Check($"{stage}sentence_logits", Answer(sentence, first: true, ForwardContext.Inference));
            parity.Check($"{stage}tag_logits", Answer(tags, first: false, ForwardContext.Inference));
        }
    }

    private static PretrainedModel Open(ParityCase parity)
    {
        string folder = Path.Combine(parity.Folder, "model");
        return ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, TestDevice.Device), TestDevice.Device, seed: 1);
    }

    private static Head Take(ITensorSource start, string name, ISeveralClassifiers model)
    {
        Head head = model.CreateNamedHead(name, (int)start.ShapeOf($"{name}.weight")[0]);
        foreach (Parameter parameter in head.Parameters)
            parameter.Assign(start.Read(Bare(parameter.Name)));
        return head;
    }

    private static string Bare(string name)
    {
        int at = name.IndexOf(HeadScope, StringComparison.Ordinal);
        return at < 0 ? name : name[(at + HeadScope.Length)..];
    }

    private static Batch Rows(ParityCase parity, long first, long count) => new()
    {
        Ids = parity.Input("in.input_ids").narrow(0, first, count),
        Mask = parity.Input("in.attention_mask").narrow(0, first, count).to(ScalarType.Bool),
        Examples = [],
    };

    /// <summary>The case's file has the prefix alone: the heads stay as they are.</summary>
    private sealed class WithHeads(ITensorSource prefix, ITuner tuner) : ITensorSource
    {
        private readonly Dictionary<string, Tensor> _heads = tuner.Export().Where(own => !prefix.Names.Contains(own.Name)).ToDictionary(own => own.Name, own => own.Value);

        public string Description => prefix.Description;

        public IReadOnlyCollection<string> Names => [.. prefix.Names, .. _heads.Keys];

        public long[] ShapeOf(string name) => _heads.TryGetValue(name, out Tensor? own) ? own.shape : prefix.ShapeOf(name);

        public ScalarType TypeOf(string name) => _heads.TryGetValue(name, out Tensor? own) ? own.dtype : prefix.TypeOf(name);

        public bool IsView(string name) => !_heads.ContainsKey(name) && prefix.IsView(name);

        public Tensor Read(string name) => _heads.TryGetValue(name, out Tensor? own) ? own.detach().clone() : prefix.Read(name);

        public void Dispose() => prefix.Dispose();
    }
}
