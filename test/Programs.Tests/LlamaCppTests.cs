using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Programs.Tests;

/// <summary>A LoRA adapter that was trained here, in the eyes of llama.cpp: over the same base it ranks the next tokens as we do.</summary>
[TestClass]
public sealed class LlamaCppTests
{
    private const int Ranked = 5;

    // Over 4-bit weights llama.cpp rounds what it multiplies them by to 8 bits: tokens whose logits are closer than this may change places.
    private const double Tie = 0.5;

    private static readonly string[] s_prompts =
    [
        "The capital of France is", "Water boils at", "Once upon a time there was", "The quick brown fox", "To be, or not to be:",
        "My favourite colour is", "In the year 1969, men first", "The largest planet is", "She opened the door and", "Two plus two equals",
        "public static void", "Dear Sir or Madam,", "The cat sat on the", "A recipe for bread: take", "It was a dark and stormy",
        "He plays the violin in the", "The opposite of hot is", "Bees make", "London is the capital of", "name[Blue Spice], eatType[coffee shop]\n",
    ];

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    private static string Folder => Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    private static string Base => Path.Combine(Folder, "model.Q4_1.gguf");

    [TestMethod, TestCategory("EndToEnd")]
    public void ItRanksNextTokensAsWeDoUnderOurAdapter()
    {
        SharedData.RequireFolder(Folder);
        string folder = Directory.CreateTempSubdirectory("llama-cpp-").FullName;
        try
        {
            using PeftTransformer model = Train();
            string adapter = Path.Combine(folder, "adapter.gguf"), floats = Path.Combine(folder, "floats.gguf");
            model.SaveGgufAdapter(adapter);
            int[][] prompts = [.. s_prompts.Select(text => model.Scorer.Task.Tokenizer.Encode(text).Ids)];
            float[][] ours = [.. prompts.Select(ids => Logits(model, ids, ForwardContext.DefaultAdapter))];
            float[][] bare = [.. prompts.Select(ids => Logits(model, ids, null))];

            LlamaCpp.Convert(Base, floats, "ALL_F32");
            var (apart, disorder) = Compare(floats);
            Assert.IsLessThan(1e-3, apart, "The same floats are multiplied.");
            Assert.IsLessThan(1e-3, disorder);
            (_, disorder) = Compare(Base);
            Assert.IsLessThan(Tie, disorder);

            (double Apart, double Disorder) Compare(string file)
            {
                var under = LlamaCpp.Rank(file, adapter, prompts, Ranked);
                var without = LlamaCpp.Rank(file, null, prompts, Ranked);
                double apart = Math.Max(Apart(under, ours), Apart(without, bare)), disorder = Math.Max(Disorder(under, ours), Disorder(without, bare));
                int moved = under.Zip(bare).Count(pair => Math.Abs(pair.First[0].Logit - pair.Second[pair.First[0].Id]) > Tie);
                Console.WriteLine(FormattableString.Invariant(
                    $"{Path.GetFileName(file)}: logits at most {apart:f4} apart, out of order by at most {disorder:f4}; the adapter moved {moved} of {prompts.Length} best logits by more than {Tie}"));
                Assert.IsGreaterThanOrEqualTo(prompts.Length / 2, moved, "prompts where the adapter's effect cannot be missed");
                Assert.IsGreaterThan(Tie, Disorder(under, bare), "The bare model's order is another.");
                return (apart, disorder);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Apart((int Id, float Logit)[][] theirs, float[][] ours) =>
        theirs.Zip(ours).Max(pair => pair.First.Max(token => Math.Abs(token.Logit - pair.Second[token.Id])));

    // How far apart our logits of their token and of our own at the same place are: 0 where the order is ours.
    private static double Disorder((int Id, float Logit)[][] theirs, float[][] ours) => theirs.Zip(ours).Max(pair =>
        pair.First.Zip(pair.Second.OrderDescending()).Max(place => Math.Abs(pair.Second[place.First.Id] - place.Second)));

    private static float[] Logits(PeftTransformer model, int[] ids, string? adapter)
    {
        using ModelLease lease = model.Scorer.Host.Enter(adapter is null ? AdapterChoice.Bare : AdapterChoice.Named(adapter));
        using IDecodingSession session = lease.Model.Model.As<IContinuesTexts>().Open(lease.Model.Head, lease.Context());
        using Tensor logits = Prompts.Read(session, [ids], 1);
        return [.. logits.data<float>()];
    }

    // Every kind of projection, so that each of their layouts is tried.
    private PeftTransformer Train() => _ml.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = Folder,
        Task = PeftTask.CausalLanguageModelling(),
        Lora = new LoraOptions { Rank = 4, Alpha = 8, TargetModules = [LoraOptions.AllLinear] },
        Training = new TrainingOptions { MaxSteps = 6, MaxEpochs = 2, LearningRate = 8e-3, BatchSize = 4, WarmupSteps = 0 },
    }).Fit(_ml.Data.LoadFromEnumerable(s_prompts.Select(text => new Row { Text = $"{text} a pirate's parrot, and nobody knows why, said the captain." })));

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
