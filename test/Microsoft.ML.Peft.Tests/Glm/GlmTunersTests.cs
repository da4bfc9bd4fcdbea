using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Bottleneck;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.Peft.Tuners.Ia3;
using Microsoft.ML.Peft.Tuners.LayerNorms;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>Every method over GLM, over floats and four bits, its blocks run again or not, its rows padded or not; and what a cache changes: nothing.</summary>
[TestClass]
public sealed class GlmTunersTests : IDisposable
{
    private static readonly Dictionary<string, Func<TunerOptions>> s_tuners = new()
    {
        ["lora"] = () => new LoraOptions { Rank = 8 },
        ["lora everywhere"] = () => new LoraOptions { Rank = 8, TargetModules = [LoraOptions.AllLinear], UseDora = true },
        ["ia3"] = () => new Ia3Options { TargetModules = ["query_key_value", "dense_4h_to_h"], FeedForwardModules = ["dense_4h_to_h"] },
        ["norms"] = () => new LayerNormOptions { TargetModules = ["input_layernorm", "post_attention_layernorm", "final_layernorm"] },
        ["bottleneck"] = () => new BottleneckOptions(),
        ["prefix"] = () => new PrefixOptions { VirtualTokens = 4 },
        ["prefix of a network"] = () => new PrefixOptions { VirtualTokens = 4, PrefixProjection = true, EncoderHiddenSize = 16 },
        ["prompt"] = () => new PromptOptions { VirtualTokens = 4 },
        ["p-tuning"] = () => new PTuningOptions { VirtualTokens = 4 },
        ["p-tuning, lstm"] = () => new PTuningOptions { VirtualTokens = 4, Encoder = PTuningEncoder.Lstm },
        ["p-tuning, GLM's lstm"] = () => new PTuningOptions { VirtualTokens = 4, Encoder = PTuningEncoder.GlmLstm },
        ["p-tuning, GLM's mlp"] = () => new PTuningOptions { VirtualTokens = 4, Encoder = PTuningEncoder.GlmMlp },
        ["all weights"] = () => new FullOptions(),
    };

    private static readonly (string Text, string[] Pieces)[] s_rows = [("the film is [MASK] .", ["very good"]), ("the [MASK] is [MASK]", ["book", "bad"]), ("a [gMASK]", ["poor book and not a very fine film"])];

    private readonly TinyGlm _glm = new(TinyGlm.Kinds[1]);

    public static IEnumerable<object[]> Tuners => s_tuners.Keys.SelectMany(name => new[] { false, true }.Select(quantized => new object[] { name, quantized })).Where(of => of is not ["all weights", true]);

    public void Dispose() => _glm.Dispose();

    [TestMethod]
    [DynamicData(nameof(Tuners))]
    public void EveryMethodLearns(string name, bool quantized)
    {
        using var scope = NewDisposeScope();
        using PretrainedModel model = Open(quantized);
        var head = (LanguageModelHead)model.As<IFillsBlanks>().CreateLanguageModelHead();
        using ITuner tuner = s_tuners[name]().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        using Batch batch = Learnt(s_rows);
        var participants = new Participants(tuner);
        participants.WeightsChanged();
        using var optimizer = new Optimizer(tuner.Trainable, TinyRun.Settings(new TrainingOptions()));
        var losses = new List<float>();
        for (int step = 0; step < 30; step++)
        {
            using var stepScope = NewDisposeScope();
            participants.BeforeStep(step);
            // Every other step runs its blocks again.
            Tensor loss = Losses(model, head, batch, new ForwardContext { Seeds = new DropoutSeeds(step), Checkpointing = step % 2 == 1 }).sum();
            losses.Add(loss.item<float>());
            BackwardPass.Run(loss);
            participants.AfterBackward(step);
            optimizer.Step(2e-2, gradientScale: 1);
            participants.AfterStep(step, 30);
            optimizer.ClearGradients();
        }
        Assert.IsLessThan(0.9f * losses[0], losses[^1], string.Join(' ', losses));
        CheckPadding(model, head);
        CheckCache(model, head);
    }

    /// <summary>The same gradients whether blocks are run again or not.</summary>
    [TestMethod]
    public void ABlockThatIsRunAgainGivesTheSameGradients()
    {
        using var scope = NewDisposeScope();
        using PretrainedModel model = Open(quantized: false);
        var head = (LanguageModelHead)model.As<IFillsBlanks>().CreateLanguageModelHead();
        using ITuner tuner = new FullOptions().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        using Batch batch = Learnt(s_rows);
        Tensor[] Gradients(bool checkpointing)
        {
            tuner.Trainable.ClearGradients();
            BackwardPass.Run(Losses(model, head, batch, new ForwardContext { Seeds = new DropoutSeeds(1), Checkpointing = checkpointing }).sum());
            return [.. tuner.Trainable.Select(p => p.Value.grad!.clone())];
        }
        foreach (var ((expected, found), parameter) in Gradients(false).Zip(Gradients(true)).Zip(tuner.Trainable))
            TensorAssert.Close(expected, found, 1e-6, 1e-5, parameter.Name);
    }

    /// <summary>Rows under prompts and prefixes of their own, or none, are filled in one batch as they are alone; beams too.</summary>
    [TestMethod]
    [DataRow(1), DataRow(3)]
    public void RowsUnderAdaptersOfTheirOwnAreFilledAsAlone(int beams)
    {
        PretrainedModel model = Open(quantized: false);
        using var hosted = new HostedModel(model, model.As<IFillsBlanks>().CreateLanguageModelHead());
        hosted.Attach("prompt", new PromptOptions { VirtualTokens = 3, Start = VirtualTokenStart.SampledVocabulary }, seed: 3);
        hosted.Attach("prefix", new PrefixOptions { VirtualTokens = 5 }, seed: 4);
        hosted.Attach("short", new PromptOptions { VirtualTokens = 1, Start = VirtualTokenStart.SampledVocabulary }, seed: 5);
        string?[] adapters = ["prompt", "prefix", null, "short"];
        string[] texts = ["the film is [MASK] .", "the [MASK] is [MASK]", "a [MASK] and [MASK] book is [MASK] .", "a [gMASK]"];
        int[][] together = Fill(hosted, texts, adapters, beams);
        for (int row = 0; row < texts.Length; row++)
            CollectionAssert.AreEqual(Fill(hosted, [texts[row]], [adapters[row]], beams).Single(), together[row], texts[row]);
    }

    /// <summary>A piece comes token by token, and is what it is at once.</summary>
    [TestMethod]
    public async Task APieceIsStreamed()
    {
        using PretrainedModel model = Open(quantized: false);
        Head head = model.As<IFillsBlanks>().CreateLanguageModelHead();
        BlankReader reader = Reader();
        Example context = reader.Read("the film is [MASK] .", "row");
        using Batch batch = Batch.Collate([context], CPU, withLabels: false);
        var settings = GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = 16, EosTokenIds = [], DoSample = true, Seed = 1 });
        int[] blanks = context.Get(BlankFields.Blanks), start = [reader.Roles.Start];
        using var texts = new BlankTexts(model, head, batch, ForwardContext.Inference);
        var pieces = new List<string>();
        using (IDecodingSession session = texts.Open(blanks))
        {
            await foreach (TextPiece piece in TextGenerator.StreamAsync(session, start, _glm.Tokenizer, settings))
                pieces.Add(piece.Text);
        }
        using var again = new BlankTexts(model, head, batch, ForwardContext.Inference);
        Assert.AreEqual(TextGenerator.Text(BlankFilling.Fill(again, [blanks], start[0], settings)[0][0], _glm.Tokenizer, settings), string.Concat(pieces));
        Assert.IsGreaterThan(1, pieces.Count(piece => piece.Length > 0));
    }

    private int[][] Fill(HostedModel hosted, string[] texts, string?[] adapters, int beams)
    {
        using var scope = NewDisposeScope();
        BlankReader reader = Reader();
        Example[] contexts = Array.ConvertAll(texts, text => reader.Read(text, "row"));
        using Batch batch = Batch.Collate(contexts, CPU, withLabels: false);
        var settings = GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = 5, NumBeams = beams, EosTokenIds = [reader.Roles.End] });
        return hosted.Run(context =>
        {
            using var blanks = new BlankTexts(hosted.Model, hosted.Head, batch, context);
            var pieces = BlankFilling.Fill(blanks, [.. contexts.Select(row => row.Get(BlankFields.Blanks))], reader.Roles.Start, settings);
            return pieces.Select(row => row.SelectMany(piece => piece.Ids).ToArray()).ToArray();
        }, adapters);
    }

    // What stands beside a row, and how long that is, changes nothing.
    private void CheckPadding(PretrainedModel model, LanguageModelHead head)
    {
        using var noGrad = no_grad();
        using Batch all = Learnt(s_rows);
        Tensor together = Losses(model, head, all, ForwardContext.Inference).view(all.Labels!.shape);
        for (int row = 0; row < s_rows.Length; row++)
        {
            using Batch alone = Learnt(s_rows[row]);
            Tensor own = Losses(model, head, alone, ForwardContext.Inference);
            TensorAssert.Close(own, together[row].narrow(0, 0, own.size(0)), 1e-4, 1e-4, $"row {row}");
        }
    }

    // Greedy pieces are those that a whole pass finds likeliest.
    private void CheckCache(PretrainedModel model, LanguageModelHead head)
    {
        using var noGrad = no_grad();
        BlankReader reader = Reader();
        Example[] contexts = [.. s_rows.Select(row => reader.Read(row.Text, "row"))];
        using Batch batch = Batch.Collate(contexts, CPU, withLabels: false);
        using var texts = new BlankTexts(model, head, batch, ForwardContext.Inference);
        int[][] blanks = [.. contexts.Select(row => row.Get(BlankFields.Blanks))];
        var pieces = BlankFilling.Fill(texts, blanks, reader.Roles.Start, GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = 5, EosTokenIds = [] }));
        for (int row = 0; row < contexts.Length; row++)
        {
            BlankPiece[] read = [.. pieces[row].Select((piece, i) => new BlankPiece(blanks[row][i], [reader.Roles.Start, .. piece.Ids[..^1]], piece.Ids))];
            using Batch whole = Batch.Collate([BlankRows.Of(contexts[row], read)], CPU, withLabels: false);
            Tensor hidden = model.Features(whole, head, ForwardContext.Inference);
            CollectionAssert.AreEqual(
                read.SelectMany(piece => piece.Answers).Select(id => (long)id).ToArray(), head.Forward(hidden, whole, ForwardContext.Inference)[0].argmax(-1).data<long>().ToArray(), $"row {row}");
        }
    }

    private static Tensor Losses(PretrainedModel model, LanguageModelHead head, Batch batch, ForwardContext context) =>
        head.TokenLosses(model.Features(batch, head, context), batch.Labels!, context);

    private PretrainedModel Open(bool quantized) => BaseModels.Open(_glm.Folder, CPU, seed: 1, quantized ? new QuantizationOptions() : null);

    private BlankReader Reader() => new(TextTokenizer.Load(_glm.Folder), maxLength: 64);

    private Batch Learnt(params (string Text, string[] Pieces)[] rows)
    {
        BlankReader reader = Reader();
        return Batch.Collate([.. rows.Select(row => reader.Learnt(reader.Read(row.Text, "row"), row.Pieces))], CPU, withLabels: true);
    }
}
