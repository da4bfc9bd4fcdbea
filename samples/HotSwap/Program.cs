using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Training;
using QuickStart;
using Samples;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int Labels = 12, Servers = 4, Rows = 400;

return new CommandLine("Serves four threads with a fine-tuned encoder, and replaces its adapter by a better one meanwhile.").Run(args, _ => Swap());

static void Swap()
{
    var ml = new MLContext(seed: 1);
    DataSplit data = DataSplit.Of(ApiDocs.Commonest(ApiDocs.Load(), Labels), 4000);
    ITransformer keys = ml.Transforms.Conversion.MapValueToKey("Label").Fit(View(data.Train));
    IDataView train = keys.Transform(View(data.Train)), test = keys.Transform(View(data.Test.Take(Rows)));
    string folder = Path.Combine(AppContext.BaseDirectory, "output"), adapter = Path.Combine(folder, "better");
    string model = MiniLm.WriteFolder(Path.Combine(folder, "all-MiniLM-L6-v2"));
    if (Directory.Exists(adapter))
        Directory.Delete(adapter, recursive: true);

    Console.WriteLine("Training for 20 steps, and for 150.");
    using (PeftTransformer better = Fit(150))
        better.SaveAdapter(adapter);
    using PeftTransformer served = Fit(20);

    var answered = new int[Servers];
    bool closing = false;
    Thread[] servers = [.. Enumerable.Range(0, Servers).Select(i => new Thread(() => Serve(i)))];
    Array.ForEach(servers, thread => thread.Start());
    try
    {
        Console.WriteLine($"Accuracy with 20 steps:  {Accuracy():f3}, {answered.Sum()} batches answered by {Servers} threads meanwhile");
        long start = Stopwatch.GetTimestamp();
        PeftAdapter old = served.Adapters.Active!;
        served.Adapters.Replace(old, adapter);
        Console.WriteLine($"Replaced in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:f0} ms, nothing stopped.");
        Console.WriteLine($"Accuracy with 150 steps: {Accuracy():f3}, {answered.Sum()} batches answered");
    }
    finally
    {
        Volatile.Write(ref closing, true);
        Array.ForEach(servers, thread => thread.Join());
    }

    IDataView View(IEnumerable<LabelledText> rows) => ml.Data.LoadFromEnumerable(rows.Select(row => new Row { Text = row.Text, Label = row.Label }));

    PeftTransformer Fit(int steps) => ml.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = model,
        Task = PeftTask.TextClassification(),
        MaxLength = 64,
        Training = new TrainingOptions { MaxSteps = steps, LearningRate = 1e-3 },
    }).Fit(train);

    double Accuracy() => ml.MulticlassClassification.Evaluate(served.Transform(test)).MicroAccuracy;

    // Each call ends with the adapter that it began with.
    void Serve(int index)
    {
        IDataView batch = View(data.Validation.Skip(index * 32).Take(32));
        while (!Volatile.Read(ref closing))
        {
            if (served.Transform(keys.Transform(batch)).GetColumn<VBuffer<float>>("Score").Any(scores => scores.Length != Labels))
                throw new InvalidOperationException("A row lost its scores.");
            answered[index]++;
        }
    }
}

internal sealed class Row
{
    public string Text { get; set; } = "";

    public string Label { get; set; } = "";
}
