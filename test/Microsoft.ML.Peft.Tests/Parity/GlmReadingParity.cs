using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What GLM says of given answers, by themselves and side by side; and its continuous prompts.</summary>
internal static class GlmReadingParity
{
    private const string Spell = "glm.prompt_spell.";

    public static void RunCloze(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        string folder = Path.Combine(parity.Folder, "model");
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, TestDevice.Device), TestDevice.Device, seed: 1);
        Head head = model.As<IFillsBlanks>().CreateLanguageModelHead();
        CheckAnswers(parity, model, head);
        CheckOneToken(parity, model, head);
        CheckPacked(parity, model, head);
    }

    /// <summary>Vectors at places in the context, from a table or from the network that makes it; nothing else trains.</summary>
    public static void RunPrompt(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new LoadedModel(parity);
        int count = (int)parity.ShapeOf("in.prompt_pos")[1];
        VirtualTokenOptions options = parity.Name[(parity.Name.LastIndexOf('-') + 1)..] switch
        {
            "lstm" => new PTuningOptions { VirtualTokens = count, Start = VirtualTokenStart.Random, Encoder = PTuningEncoder.GlmLstm },
            "mlp" => new PTuningOptions { VirtualTokens = count, Start = VirtualTokenStart.Random, Encoder = PTuningEncoder.GlmMlp },
            _ => new PromptOptions { VirtualTokens = count },
        };
        using ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, loaded.Head.Parameters), seed: 1);
        Start(parity, tuner);
        new Participants(tuner).WeightsChanged();
        // Of a table that trains itself the case holds what the steps made of it: the original hands out the weights themselves.
        bool isMade = options is PTuningOptions;
        if (isMade)
            CheckTable(parity, tuner);
        using (no_grad())
        {
            Tensor logits = loaded.Logits(ForwardContext.Inference);
            parity.Check("out.logits", logits);
            parity.Check("out.loss", loaded.Loss(logits));
        }
        parity.Check("train.losses", tensor(TunerParity.Train(parity, tuner, context => loaded.Loss(loaded.Logits(context)))));
        if (!isMade)
            CheckTable(parity, tuner);
    }

    private static void CheckTable(ParityCase parity, ITuner tuner) =>
        parity.Check("out.prompt_embeds", tuner.Export().Single(table => table.Name == VirtualTokenTuner.TableName).Value.unsqueeze(0));

    // The checkpoint has the prompt's weights under GLM's names.
    private static void Start(ParityCase parity, ITuner tuner)
    {
        using ITensorSource source = CheckpointFolder.Open(Path.Combine(parity.Folder, "model"));
        string[] names = [.. source.Names.Where(name => name.StartsWith(Spell, StringComparison.Ordinal))];
        Assert.HasCount(names.Length, tuner.Trainable);
        foreach (Parameter parameter in tuner.Trainable)
        {
            string own = parameter.Name is VirtualTokenTuner.TableName ? "spell_embeddings.weight"
                : parameter.Name[(TableNetwork.Name.Length + 1)..].Replace("embedding.weight", "spell_embeddings.weight", StringComparison.Ordinal);
            parameter.Assign(source.Read(Spell + own));
        }
    }

    /// <summary>Each choice in a row of its own, with the end behind it.</summary>
    private static void CheckAnswers(ParityCase parity, PretrainedModel model, Head head)
    {
        Tensor places = parity.Input("in.position_ids").flatten(0, 1), targets = parity.Input("in.target_ids").flatten(0, 1), counts = parity.Input("in.logit_mask").flatten(0, 1);
        var batch = new Batch
        {
            Ids = parity.Input("in.input_ids").flatten(0, 1), PositionIds = places.select(1, 0), BlockPositionIds = places.select(1, 1),
            ContextLengths = parity.Input("in.sep").flatten(), Examples = [],
        };
        batch[Fields.AnswerTokens.TensorName] = targets.masked_fill(counts.eq(0), Batch.IgnoredLabel);
        Tensor hidden = model.Features(batch, head, ForwardContext.Inference);
        Tensor Scores(bool mean) => ClozeHead.Likelihood(head, hidden, batch, ForwardContext.Inference, mean).view(parity.ShapeOf("out.scores"));
        parity.Check("out.scores", Scores(mean: false));
        parity.Check("out.scores_length_penalty1", Scores(mean: true));
        parity.Check("out.loss", nn.functional.cross_entropy(Scores(mean: false), parity.Input("in.labels")));
    }

    private static void CheckOneToken(ParityCase parity, PretrainedModel model, Head head)
    {
        Tensor places = parity.Input("in.single.position_ids"), lengths = parity.Input("in.single.sep"), words = parity.Input("in.single.verbalizers");
        var batch = new Batch
        {
            Ids = parity.Input("in.single.input_ids"), PositionIds = places.select(1, 0), BlockPositionIds = places.select(1, 1), ContextLengths = lengths,
            ReadPositions = lengths.unsqueeze(1), Examples = [],
        };
        Tensor logits = ClozeHead.LogitsOf(head, model.Features(batch, head, ForwardContext.Inference), null, batch, ForwardContext.Inference);
        parity.Check("out.single.logits", logits);
        parity.Check("out.single.scores", logits.gather(1, words));
        parity.Check("out.single.log_probs", logits.log_softmax(-1).gather(1, words));
    }

    /// <summary>The choices of a row behind one context, each a text of its own that sees no other.</summary>
    private static void CheckPacked(ParityCase parity, PretrainedModel model, Head head)
    {
        Tensor ids = parity.Input("in.packed.input_ids"), places = parity.Input("in.packed.position_ids");
        int[][][] choices = Numbers(parity, "choices"), indices = Numbers(parity, "packed_choice_indices");
        long[] lengths = Array.ConvertAll(indices, row => (long)row[0][0]), texts = new long[ids.numel()];
        for (int row = 0; row < indices.Length; row++)
        {
            for (int choice = 0; choice < indices[row].Length; choice++)
                texts.AsSpan((row * (int)ids.size(1)) + indices[row][choice][0]).Fill(choice + 1);
        }
        var batch = new Batch
        {
            Ids = ids, PositionIds = places.select(1, 0), BlockPositionIds = places.select(1, 1), ContextLengths = tensor(lengths).to(TestDevice.Device), Texts = tensor(texts).view(ids.shape).to(TestDevice.Device), Examples = [],
        };
        Tensor logs = head.Forward(model.Features(batch, head, ForwardContext.Inference), batch, ForwardContext.Inference).log_softmax(-1);
        float[] scores = [.. choices.SelectMany((row, i) => row.Select((choice, j) => choice.Select((token, k) => logs[i, indices[i][j][k], token].item<float>()).Sum()))];
        parity.Check("out.packed.scores", tensor(scores).view(choices.Length, -1));
    }

    private static int[][][] Numbers(ParityCase parity, string name) =>
        [.. parity.Json[name]!.AsArray().Select(row => row!.AsArray().Select(choice => choice!.AsArray().Select(token => token!.GetValue<int>()).ToArray()).ToArray())];
}
