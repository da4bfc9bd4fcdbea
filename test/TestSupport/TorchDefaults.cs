using System.Globalization;
using Microsoft.ML.Peft.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>
/// What other code in a process may have set in torch, and all that the library does under it: what comes out is the same to the
/// bit. Run it in a process of its own: a tensor of another type under a kernel corrupts the heap.
/// </summary>
public static class TorchDefaults
{
    private static readonly (string Name, Func<IDisposable?> Set)[] s_settings =
    [
        ("nothing", () => null),
        ("bfloat16", () => new DefaultType(ScalarType.BFloat16)),
        ("float16", () => new DefaultType(ScalarType.Float16)),
        ("float64", () => new DefaultType(ScalarType.Float64)),
        ("another device", () => new DefaultDevice(META)),
        ("no_grad", () => no_grad()),
        ("inference_mode", () => inference_mode()),
        ("gradients off", () => set_grad_enabled(false)),
    ];

    /// <summary>Under each setting, what fits, scores, saves, loads, mixes, merges and generates gives.</summary>
    public static IEnumerable<(string Setting, string Results)> Run()
    {
        using var bert = new TinyBert();
        using var decoder = new TinyDecoder();
        foreach (var (name, set) in s_settings)
        {
            using IDisposable? setting = set();
            yield return (name, string.Join(' ', [.. Classify(bert.Folder), .. Write(decoder.Folder)]));
        }
    }

    private static IEnumerable<string> Classify(string folder)
    {
        var context = new MLContext(seed: 1);
        IDataView data = Review.Load(context, 12);
        using PeftTransformer model = context.Peft().Lora(folder, PeftTask.TextClassification(), maxEpochs: 2, batchSize: 4, validationSet: data).Fit(data);
        foreach (string score in Scores(model, data))
            yield return score;
        string saved = Path.Combine(folder, "saved.zip"), adapter = Path.Combine(folder, "adapter");
        context.Model.Save(model, data.Schema, saved);
        model.SaveAdapter(adapter);
        using var loaded = (PeftTransformer)context.Model.Load(saved, out _);
        loaded.Adapters.Merge(loaded.Adapters.Load("other", adapter));
        foreach (string score in Scores(loaded, data))
            yield return score;
        Directory.Delete(adapter, recursive: true);
    }

    private static IEnumerable<string> Write(string folder)
    {
        var context = new MLContext(seed: 1);
        IDataView data = context.Data.LoadFromEnumerable(Enumerable.Range(0, 8).Select(i => new Pair { Prompt = $"{i} and", Completion = $"{i + 1}" }));
        var task = PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 8, DoSample = true, Seed = 1, RepetitionPenalty = 1.2 });
        using PeftTransformer model = context.Peft().Qlora(folder, task, rank: 4, maxEpochs: 1, batchSize: 4).Fit(data);
        foreach (string text in Texts(model, data))
            yield return text;
        string saved = Path.Combine(folder, "adapter");
        model.SaveAdapter(saved);
        PeftAdapter other = model.Adapters.Load("other", saved);
        model.Adapters.Activate(model.Adapters.Mix(
            "mixed", [(other, 0.5), (model.Adapters.Active!, 1)], new AdapterMixOptions { Method = AdapterMixMethod.DareTies, Density = 0.5 }));
        foreach (string text in Texts(model, data))
            yield return text;
        Directory.Delete(saved, recursive: true);
        // A fit shares the base with a model that was opened before it.
        using PeftTransformer plain = context.Peft().Generate(folder).Fit(data);
        using PeftTransformer full = context.Peft().FullFineTune(folder, task, maxEpochs: 1, batchSize: 4).Fit(data);
        foreach (string text in Texts(full, data))
            yield return text;
    }

    // As numbers, since a model of random weights writes anything.
    private static IEnumerable<string> Texts(PeftTransformer model, IDataView data) => Table.Read(model.Transform(data), "GeneratedText")
        .Select(text => string.Concat(((string)text).Select(c => ((int)c).ToString("x2", CultureInfo.InvariantCulture))));

    private static IEnumerable<string> Scores(PeftTransformer model, IDataView data) => Table.Read(model.Transform(data), "Score")
        .SelectMany(row => (object[])row).Select(score => ((double)score).ToString("R", CultureInfo.InvariantCulture));

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class DefaultType : IDisposable
    {
        private readonly ScalarType _before = get_default_dtype();

        public DefaultType(ScalarType type) => set_default_dtype(type);

        public void Dispose() => set_default_dtype(_before);
    }

    private sealed class DefaultDevice : IDisposable
    {
        private readonly Device _before = get_default_device();

        public DefaultDevice(Device device) => set_default_device(device);

        public void Dispose() => set_default_device(_before);
    }
}
