using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>An overload and its <c>Options</c> are two ways to say the same: found by reflection, so that a new method is held to it too.</summary>
[TestClass]
public sealed class OverloadTests : IDisposable
{
    /// <summary>What an overload says of the task, which <c>Options</c> takes whole.</summary>
    private static readonly string[] OfTheTask =
        ["promptColumnName", "generation", "labelColumnName", "scoreColumnName", "sentence1ColumnName", "sentence2ColumnName"];

    private readonly TinyBert _bert = new();
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);

    public static IEnumerable<object[]> Overloads => Methods.Select(method => new object[] { method.Name });

    public static IEnumerable<object[]> Arguments => Methods.SelectMany(method => method.GetParameters()
        .Where(p => p.IsOptional && p.Name != "task" && !OfTheTask.Contains(p.Name) && PathTo(OptionsOf(method), p.Name!) is not null)
        .Select(p => new object[] { method.Name, p.Name! }));

    private static MethodInfo[] Methods =>
    [
        .. typeof(PeftCatalog).GetMethods().Concat(typeof(PeftCatalogExtensions).GetMethods())
            .Where(method => method.ReturnType.GetNestedType("Options") is not null && method.GetParameters()[0].ParameterType.Name != "Options"),
    ];

    [TestMethod]
    public void Every_method_and_every_argument_is_found()
    {
        string[] names = ["Lora", "Qlora", "FullFineTune", "LinearProbe", "PromptTune", "PrefixTune", "PTune", "PTuneV2", "ZeroShot", "Nf4Quantize", "Embed", "Generate", "LoraTextClassification"];
        CollectionAssert.AreEquivalent(names, Methods.Select(m => m.Name).ToArray());
        foreach (MethodInfo method in Methods)
        {
            foreach (ParameterInfo parameter in method.GetParameters().Where(p => p.IsOptional && p.Name != "task" && !OfTheTask.Contains(p.Name)))
            {
                Assert.IsTrue(
                    PathTo(OptionsOf(method), parameter.Name!) is not null || parameter.Name == "outputColumnName",
                    $"{method.Name}: '{parameter.Name}' is no option");
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Overloads))]
    public void The_defaults_are_the_same(string name)
    {
        MethodInfo method = Methods.Single(m => m.Name == name);
        string expected = Settings(Call(method, null, null));
        Assert.AreEqual(expected, Settings(Create(NewOptions(method))));
    }

    [TestMethod]
    [DynamicData(nameof(Overloads))]
    public void An_option_set_made_anew_keeps_the_methods_own_values(string name)
    {
        MethodInfo method = Methods.Single(m => m.Name == name);
        object options = NewOptions(method);
        foreach (PropertyInfo part in Parts(options.GetType()).Where(part => part.GetValue(options) is not null))
            part.SetValue(options, Activator.CreateInstance(part.PropertyType));
        Assert.AreEqual(Settings(Call(method, null, null)), Settings(Create(options)));
    }

    [TestMethod]
    [DynamicData(nameof(Arguments))]
    public void An_argument_is_the_option_of_its_name(string name, string argument)
    {
        MethodInfo method = Methods.Single(m => m.Name == name);
        object value = Other(method.GetParameters().Single(p => p.Name == argument));
        string given = Settings(Call(method, argument, value));
        Assert.AreNotEqual(Settings(Call(method, null, null)), given);

        object options = NewOptions(method);
        PropertyInfo[] path = PathTo(options.GetType(), argument)!;
        object holder = options;
        if (path.Length == 2)
            path[0].SetValue(options, holder = Activator.CreateInstance(path[0].PropertyType)!);
        path[^1].SetValue(holder, value);
        Assert.AreEqual(given, Settings(Create(options)));
    }

    [TestMethod]
    public void They_train_to_the_same_loss()
    {
        double overload = LastLoss(_context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), rank: 16));
        double options = LastLoss(_context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.TextClassification(),
            Lora = new LoraOptions { Rank = 16 },
            Training = new TrainingOptions { WeightDecay = 0.01 },
        }));
        Assert.AreEqual(overload, options);
    }

    [TestMethod]
    public void Alpha_is_the_rank_and_in_a_file_without_one_what_PEFT_takes()
    {
        LoraOptions options = new LoraOptions { Rank = 16 }.Over(new LoraOptions());
        Assert.AreEqual((16, 16.0), (options.Rank, options.Alpha));
        var read = (LoraOptions)TunerRegistry.FromAdapterConfig(new JsonObject { ["peft_type"] = "LORA", ["r"] = 16 }, "adapter_config.json");
        Assert.AreEqual((16, 8.0), (read.Rank, read.Alpha));
        Assert.AreEqual(0.5, read.SizeOf("q_proj").Scale);
        Assert.AreEqual(1, new LoraOptions { Rank = 16 }.SizeOf("q_proj").Scale);
    }

    public void Dispose() => _bert.Dispose();

    private double LastLoss(LoraFineTune estimator)
    {
        double loss = 0;
        estimator.Settings.Training.Progress = new Training.TinyRun.Callback(progress => loss = progress.Loss);
        using PeftTransformer model = estimator.Fit(Review.Load(_context));
        return loss;
    }

    private object Call(MethodInfo method, string? argument, object? value)
    {
        object? target = method.IsStatic ? null : _context.Peft();
        return method.Invoke(target, [.. method.GetParameters().Select(p => p.Name == argument ? value : Argument(method, p))])!;
    }

    private object? Argument(MethodInfo method, ParameterInfo parameter) => parameter.Name switch
    {
        "trainers" => _context.MulticlassClassification.Trainers,
        "model" => parameter.ParameterType == typeof(string) ? (object)_bert.Folder : ModelSource.FromString(_bert.Folder),
        "task" => TaskOf(method),
        _ => parameter.DefaultValue,
    };

    // What learns nothing answers by a cloze.
    private static PeftTask TaskOf(MethodInfo method) => method.ReturnType == typeof(ZeroShot) ? PeftTask.FactualProbing("{mask}") : PeftTask.TextClassification();

    private object Create(object options) =>
        typeof(PeftCatalog).GetMethods().Single(m => m.GetParameters().FirstOrDefault()?.ParameterType == options.GetType())
            .Invoke(_context.Peft(), [options])!;

    private object NewOptions(MethodInfo method)
    {
        object options = Activator.CreateInstance(OptionsOf(method))!;
        ((ModelOptions)options).BaseModel = _bert.Folder;
        if (method.GetParameters().Any(p => p.Name == "task") || method.IsStatic)
            options.GetType().GetProperty("Task")!.SetValue(options, TaskOf(method));
        return options;
    }

    private object Other(ParameterInfo parameter) => (Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType) switch
    {
        { } type when type == typeof(int) => 128,
        { } type when type == typeof(double) => 0.25,
        { } type when type == typeof(bool) => true,
        // What is not there is refused at once.
        { } type when type == typeof(string) => parameter.Name!.EndsWith("Folder", StringComparison.Ordinal) ? _bert.Folder : "Other",
        { } type when type == typeof(TextPooling) => TextPooling.Cls,
        { } type when type == typeof(PTuningEncoder) => PTuningEncoder.Lstm,
        { } type when type == typeof(IDataView) => Review.Load(_context),
        { } type => throw new NotSupportedException($"{parameter.Name} is {type}."),
    };

    private static Type OptionsOf(MethodInfo method) => method.ReturnType.GetNestedType("Options")!;

    /// <summary>The sets of options within options: training, the method's, quantization.</summary>
    private static IEnumerable<PropertyInfo> Parts(Type options) => options.GetProperties()
        .Where(p => p.PropertyType == typeof(TrainingOptions) || p.PropertyType.IsSubclassOf(typeof(TunerOptions)) || p.PropertyType == typeof(QuantizationOptions));

    /// <summary>The option of an argument's name: one of the method's, or of a set within them.</summary>
    private static PropertyInfo[]? PathTo(Type options, string argument) =>
        Named(options, argument) is { } own ? [own]
        : Parts(options).Select(part => Named(part.PropertyType, argument) is { } inner ? new[] { part, inner } : null).FirstOrDefault(path => path is not null)
        ?? (Named(options, "scoring" + argument) is { } scoring ? [scoring] : null);

    private static PropertyInfo? Named(Type type, string name) =>
        type.GetProperties().FirstOrDefault(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>All that an estimator was told and all that its method says where it was told nothing.</summary>
    private static string Settings(object estimator)
    {
        var options = (ModelOptions)estimator.GetType().GetProperty("Settings", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(estimator)!;
        var lines = new List<string>();
        Describe(lines, "", options);
        if (options is FineTuneOptions tuned)
        {
            Describe(lines, "run.", tuned.Run);
            Describe(lines, "training.", tuned.Training, onlySettled: true);
            lines.Add($"tuner = {tuned.Tuner.ToJson()}");
        }
        lines.Add($"precision = {options.Precision?.Key}");
        return string.Join('\n', lines);
    }

    // What a method decides is read from the run; the rest is what was given.
    private static void Describe(List<string> lines, string prefix, object options, bool onlySettled = false)
    {
        foreach (PropertyInfo property in options.GetType().GetProperties())
        {
            if (onlySettled && typeof(Peft.Training.TrainingSettings).GetProperty(property.Name) is not null)
                continue;
            object? value = property.GetValue(options);
            if (value is PeftTask task)
                lines.Add($"{prefix}{property.Name} = {task.Key} {task.ToJson()}");
            else if (value is null or string or ValueType)
                lines.Add($"{prefix}{property.Name} = {value}");
            else if (value is IDataView)
                lines.Add($"{prefix}{property.Name} = data");
        }
    }
}
