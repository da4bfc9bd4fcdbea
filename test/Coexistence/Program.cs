using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.TorchSharp;

// ML.NET's own trainers and ours in one process, on one TorchSharp. Fitting theirs would fetch a model, so they are made only.
var context = new MLContext(seed: 1);
IDataView data = Review.Load(context);
IEstimator<ITransformer>[] theirs =
[
    context.MulticlassClassification.Trainers.TextClassification(sentence1ColumnName: "Text"),
    context.Regression.Trainers.SentenceSimilarity(sentence1ColumnName: "Text", sentence2ColumnName: "Text"),
];

// What others set in torch changes nothing of ours.
if (TorchDefaults.Run().DistinctBy(run => run.Results).Skip(1).FirstOrDefault() is { Setting: { } setting })
    throw new InvalidOperationException($"Other results under {setting}.");

using var bert = new TinyBert();
using PeftTransformer model = context.MulticlassClassification.Trainers.LoraTextClassification(
    bert.Folder, batchSize: 8, maxEpochs: 15, learningRate: 2e-2).Fit(data);
double accuracy = context.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy;
var torchSharp = AppDomain.CurrentDomain.GetAssemblies().Single(a => a.GetName().Name == "TorchSharp").GetName().Version;
Console.WriteLine($"{string.Join(", ", theirs.Select(e => e.GetType().Name))} beside {model.GetType().Name} on TorchSharp {torchSharp}: accuracy {accuracy:F2}.");
if (accuracy < 0.9)
    throw new InvalidOperationException($"Our trainer learnt nothing: accuracy {accuracy}.");
