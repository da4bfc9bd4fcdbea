using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>A case's checkpoint with the head that its config names, and its batch.</summary>
internal sealed class LoadedModel : IDisposable
{
    private static readonly Dictionary<string, Func<PretrainedModel, Head>> Heads = new()
    {
        ["ForSequenceClassification"] = model => model.As<ISequenceClassifier>().CreateSequenceClassificationHead(model.Config.Id2Label!.Count),
        ["ForTokenClassification"] = model => model.As<ITokenClassifier>().CreateTokenClassificationHead(model.Config.Id2Label!.Count),
        ["ForQuestionAnswering"] = model => model.As<IQuestionAnswerer>().CreateQuestionAnsweringHead(),
        ["ForMaskedLM"] = model => model.As<IMaskedLanguageModel>().CreateMaskedLanguageModelHead(),
        ["ForCausalLM"] = model => model.As<ICausalLanguageModel>().CreateLanguageModelHead(),
        ["T5ForConditionalGeneration"] = model => model.As<IEncoderDecoder>().CreateLanguageModelHead(),
        ["GLMForConditionalGeneration"] = model => model.As<IFillsBlanks>().CreateLanguageModelHead(),
        ["GLMModel"] = model => model.As<IFillsBlanks>().CreateLanguageModelHead(),
        ["LMHeadModel"] = model => model.As<ICausalLanguageModel>().CreateLanguageModelHead(),
    };

    /// <param name="parity">The case.</param>
    /// <param name="side">Which of several inputs: <c>right.</c> or <c>left.</c> padding; empty where there is one.</param>
    public LoadedModel(ParityCase parity, string side = "")
    {
        string folder = Path.Combine(parity.Folder, "model");
        HfConfig config = HfConfig.Load(folder);
        PretrainedModel model = ModelRegistry.Create(config, SharedCheckpoint.Acquire(folder, TestDevice.Device), TestDevice.Device, seed: 1, QuantizationParity.Options(parity.Json["quantization"]));
        string architecture = config.Architectures[0];
        Hosted = new HostedModel(model, Heads.Single(head => architecture.EndsWith(head.Key, StringComparison.Ordinal)).Value(model));
        Batch = ReadBatch(parity, $"in.{side}");
    }

    public HostedModel Hosted { get; }

    public PretrainedModel Model => Hosted.Model;

    public Head Head => Hosted.Head;

    public Batch Batch { get; private set; }

    /// <summary>From now on every token is of the first segment.</summary>
    public void ForgetTypes()
    {
        Batch.TypeIds?.Dispose();
        Batch = new Batch { Ids = Batch.Ids, Mask = Batch.Mask, Labels = Batch.Labels, Examples = Batch.Examples };
    }

    public Tensor Logits(ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = Model.Features(Batch, Head, context);
        return Head.Forward(hidden, Batch, context).MoveToOuterDisposeScope();
    }

    /// <summary>What a text that the model writes begins with, where that is not its input; null for a decoder, which goes on.</summary>
    public int? StartId => (Model as IEncoderDecoder)?.StartId;

    /// <summary>A session of the model that generates, under the adapter that is attached.</summary>
    public IDecodingSession OpenSession() => Model.As<IWritesTexts>().Open(Head, Batch, ForwardContext.Inference);

    public Tensor Loss(Tensor logits)
    {
        using var scope = NewDisposeScope();
        Tensor labels = Batch.Labels!;
        if (Head is LanguageModelHead && Model is IContinuesTexts)
        {
            // Positions that a prompt brings have no label.
            long before = logits.shape[1] - labels.shape[1];
            labels = cat([full([labels.shape[0], before], Batch.IgnoredLabel, ScalarType.Int64, TestDevice.Device), labels], 1);
            // The logits of a position are a guess at the next token.
            (logits, labels) = (logits.narrow(1, 0, logits.shape[1] - 1), labels.narrow(1, 1, labels.shape[1] - 1));
        }
        return nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index: Batch.IgnoredLabel).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        Batch.Dispose();
        Hosted.Dispose();
    }

    public static Batch ReadBatch(ParityCase parity, string inputs)
    {
        using Tensor? mask = Given("attention_mask"), places = Given("position_ids");
        return new Batch
        {
            Ids = parity.Input(inputs + "input_ids"),
            Mask = mask?.to(ScalarType.Bool),
            TypeIds = Given("token_type_ids"),
            // Two rows of positions, and the length of what all tokens see.
            PositionIds = places?.select(1, 0),
            BlockPositionIds = places?.select(1, 1),
            ContextLengths = Given("sep"),
            VirtualPlaces = Given("prompt_pos"),
            Labels = Labels(parity, parity.Has("in.labels") ? "in.labels" : inputs + "input_ids"),
            Examples = [],
        };

        Tensor? Given(string name) => parity.Has(inputs + name) ? parity.Input(inputs + name) : null;
    }

    private static Tensor Labels(ParityCase parity, string name)
    {
        Tensor labels = parity.Input(name);
        if (!parity.Has("in.loss_mask"))
            return labels;
        using Tensor given = labels, counts = parity.Input("in.loss_mask"), ignored = counts.eq(0);
        return given.masked_fill(ignored, Batch.IgnoredLabel);
    }
}
