using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Every door that takes an adapter takes it in all its forms, and refuses one of another base.</summary>
[TestClass]
public sealed class AdapterDoorsTests
{
    private static readonly Dictionary<string, Func<AdapterFixture, string, bool, object>> s_doors = new()
    {
        ["Load"] = (it, path, allow) => it.ScoresUnder(it.Transformer.Adapters.Load($"{Guid.NewGuid():N}", path, allow)),
        ["Replace"] = (it, path, allow) => it.ScoresUnder(it.Transformer.Adapters.Replace(it.Transformer.Adapters["default"], path, allow)),
        ["MergeAdapter"] = Merged,
        ["Generate"] = Generated,
        ["AdapterFolder of a chat"] = (it, path, allow) => Answer(it, new PeftChatClientOptions { AdapterFolder = path, AllowOtherBase = allow }),
        ["Adapters of a chat"] = (it, path, allow) => Answer(it, new PeftChatClientOptions { Adapters = { ["it"] = path }, AllowOtherBase = allow }),
        ["a fit with AdapterFolder"] = Fitted,
    };

    public static IEnumerable<object[]> Doors => s_doors.Keys.Select(door => new object[] { door });

    [TestMethod]
    [DynamicData(nameof(Doors))]
    public void AnAdapterOfAnotherBaseIsRefusedUnlessAllowed(string door)
    {
        using var it = new AdapterFixture();
        using var other = new AdapterFixture(change: config => config["initializer_range"] = 0.3);
        string folder = other.Train("a", "first"), gguf = other.PathOf("a.gguf");
        other.Transformer.SaveGgufAdapter(gguf);
        foreach (string path in new[] { folder, gguf })
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(() => s_doors[door](it, path, false), path).Message;
            Assert.HasCount(2, Regex.Matches(message, "[0-9a-f]{64}"));
            Assert.Contains(path, message);
            s_doors[door](it, path, true);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Doors))]
    public void AllFormsAnswerAlike(string door)
    {
        using var it = new AdapterFixture();
        string folder = it.PathOf("a"), pickled = it.PathOf("pickled"), gguf = it.PathOf("a.gguf");
        it.Transformer.SaveAdapter(folder);
        it.Transformer.SaveGgufAdapter(gguf);
        Directory.CreateDirectory(pickled);
        File.Copy(Path.Combine(folder, "adapter_config.json"), Path.Combine(pickled, "adapter_config.json"));
        PickledStateDict.FromSafetensors(Path.Combine(folder, "adapter_model.safetensors"), Path.Combine(pickled, "adapter_model.bin"));
        object expected = s_doors[door](it, folder, false), another = s_doors[door](it, it.Train("b", "something else altogether"), false);
        Assert.IsFalse(AreSame(expected, another), "another adapter answers otherwise");
        Assert.IsTrue(AreSame(expected, s_doors[door](it, pickled, false)), "adapter_model.bin");
        Assert.IsTrue(AreSame(expected, s_doors[door](it, gguf, false)), ".gguf");
    }

    [TestMethod]
    [DynamicData(nameof(Doors))]
    public void AFolderWithoutWeightsNamesThem(string door)
    {
        using var it = new AdapterFixture();
        string folder = it.Train("a", "first");
        File.Delete(Path.Combine(folder, "adapter_model.safetensors"));
        string message = Assert.ThrowsExactly<InvalidDataException>(() => s_doors[door](it, folder, false)).Message;
        Assert.Contains("adapter_model.safetensors or adapter_model.bin", message);
    }

    private static bool AreSame(object a, object b) => (a, b) is (float[] x, float[] y)
        ? x.Zip(y).All(pair => Math.Abs(pair.First - pair.Second) <= 1e-4 * pair.First)
        : a.Equals(b);

    private static float[] Merged(AdapterFixture it, string path, bool allow)
    {
        string folder = it.PathOf($"{Guid.NewGuid():N}");
        it.Context.Peft().MergeAdapter(it.Base, path, folder, new MergeOptions { AllowOtherBase = allow });
        using PeftTransformer merged = it.Context.Peft().Lora(Options(folder)).Fit(it.Data);
        return it.Scores(merged, it.Data);
    }

    private static string Generated(AdapterFixture it, string path, bool allow)
    {
        using PeftTransformer model = it.Context.Peft().Generate(new TextCompleter.Options
        {
            BaseModel = it.Base,
            Task = PeftTask.TextGeneration("Text", generation: new GenerationOptions { MaxNewTokens = 12 }),
            AdapterFolder = path,
            AllowOtherBase = allow,
        }).Fit(it.Data);
        return string.Join('\n', Table.Read(model.Transform(it.Data), "GeneratedText"));
    }

    private static string Answer(AdapterFixture it, PeftChatClientOptions options)
    {
        using var client = new PeftChatClient(it.Base, options);
        var asked = new ChatOptions { Temperature = 0, MaxOutputTokens = 12 };
        if (options.Adapters.Keys.FirstOrDefault() is { } name)
            asked.AdditionalProperties = new() { ["adapter"] = name };
        return client.GetResponseAsync("Hi", asked).GetAwaiter().GetResult().Text;
    }

    private static float[] Fitted(AdapterFixture it, string path, bool allow)
    {
        LoraFineTune.Options options = Options(it.Base);
        (options.AdapterFolder, options.AllowOtherBase) = (path, allow);
        using PeftTransformer model = it.Context.Peft().Lora(options).Fit(it.Data);
        return it.Scores(model, it.Data);
    }

    // One step at a rate of almost nothing: the model stays what was loaded.
    private static LoraFineTune.Options Options(string folder) => new()
    {
        BaseModel = folder,
        Task = PeftTask.CausalLanguageModelling(),
        Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-9 },
    };
}
