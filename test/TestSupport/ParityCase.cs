using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>
/// One folder of the parity cases: the call, its tensors and the tolerance. Inputs are read; expectations are only compared, so
/// that <see cref="Run"/> knows which were.
/// </summary>
internal sealed class ParityCase : IDisposable
{
    /// <summary>The folder of what training makes of an adapter; its tensors count as one expectation.</summary>
    public const string Trained = "adapter-trained";

    // Cases of texts alone have no tensors.
    private readonly SafetensorsFile? _tensors;
    private readonly Comparisons _comparisons;
    private readonly IReadOnlyCollection<string> _excepted;

    private ParityCase(string folder, string? texts, IReadOnlyCollection<string> excepted)
    {
        (Folder, Name, _excepted) = (folder, Path.GetFileName(folder), excepted);
        Json = ExpectedJson.Read(Path.Combine(folder, "case.json"));
        Texts = new ExpectedJson(Name, Json, texts ?? "(?!)");
        if (texts is null || File.Exists(Path.Combine(folder, "io.safetensors")))
            _tensors = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
        string[] trained = Directory.Exists(Path.Combine(folder, Trained)) ? [Trained] : [];
        _comparisons = new Comparisons(Name, [.. TensorNames.Where(IsExpectation), .. trained]);
    }

    public string Folder { get; }

    public string Name { get; }

    public JsonObject Json { get; }

    /// <summary>The expectations in case.json itself, where a case has no tensors.</summary>
    public ExpectedJson Texts { get; }

    public double Absolute => Json["atol"]!.GetValue<double>();

    public double Relative => Json["rtol"]!.GetValue<double>();

    public IEnumerable<string> TensorNames => _tensors?.Names ?? [];

    /// <summary>Runs a test over a case, and fails where it leaves an expectation uncompared.</summary>
    /// <param name="folder">The case.</param>
    /// <param name="texts">The paths of the expectations in case.json; null where the case has tensors.</param>
    /// <param name="test">The test.</param>
    /// <param name="excepted">Expectations of which it is known that they cannot hold: one that does fails.</param>
    public static void Run(string folder, string? texts, Action<ParityCase> test, params IReadOnlyCollection<string> excepted)
    {
        using var parity = new ParityCase(folder, texts, excepted);
        test(parity);
        if (parity._tensors is not null)
            parity._comparisons.AssertComplete();
        if (texts is not null)
            parity.Texts.AssertComplete();
    }

    public bool Has(string name) => _tensors?.Entries.ContainsKey(name) == true;

    public long[] ShapeOf(string name) => _tensors!.ShapeOf(name);

    /// <summary>A tensor that a case gives, where the tests compute.</summary>
    public Tensor Input(string name)
    {
        if (IsExpectation(name))
            throw new ArgumentException($"{Name}: '{name}' is there to be compared, not to be read.");
        Tensor read = _tensors!.Read(name);
        if (TestDevice.GpuId is null)
            return read;
        using (read)
            return read.to(TestDevice.Device);
    }

    /// <summary>How many columns at the start of each row an expectation has in common with an input.</summary>
    public int CommonColumns(string name, Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor expected = _tensors!.Read(name);
        long width = Math.Min(expected.shape[1], input.shape[1]);
        Tensor same = expected.narrow(1, 0, width).eq(input.narrow(1, 0, width).cpu()).all(0);
        return (int)same.to(ScalarType.Int64).cumprod(0).sum().item<long>();
    }

    /// <summary>Compares an expectation within the case's tolerance.</summary>
    public void Check(string name, Tensor actual) => Judge(name, () => Compare(name, actual, Absolute, Relative, name));

    /// <summary>Compares an expectation to the bit.</summary>
    public void CheckExactly(string name, Tensor actual) => Judge(name, () => Compare(name, actual, 0, 0, $"{name}, to the bit"));

    /// <summary>Compares what training made of an adapter's tensors, all of them.</summary>
    /// <param name="actual">The tensors.</param>
    /// <param name="files">The files that hold them, PEFT's by default; of several, the first alone must be there.</param>
    public void CheckTrained(IReadOnlyList<(string Name, Tensor Value)> actual, params string[] files) => CheckTrained(actual, _ => null, files);

    /// <summary>The same where the loss does not decide some of them.</summary>
    /// <param name="actual">The tensors.</param>
    /// <param name="reach">How far a tensor may lie from the expected one where its gradient is rounding alone; null where it is not.</param>
    /// <param name="files">The files that hold them.</param>
    public void CheckTrained(IReadOnlyList<(string Name, Tensor Value)> actual, Func<string, double?> reach, params string[] files) => Judge(Trained, () =>
    {
        string[] paths = [.. files.DefaultIfEmpty("adapter_model.safetensors").Select(file => Path.Combine(Folder, Trained, file)).Where((path, i) => i == 0 || File.Exists(path))];
        SafetensorsFile[] opened = Array.ConvertAll(paths, path => SafetensorsFile.Open(path));
        CollectionAssert.AreEquivalent(opened.SelectMany(file => file.Names).ToList(), actual.Select(tensor => tensor.Name).ToList(), $"{Name}: {Trained}");
        foreach (var (name, value) in actual)
        {
            using Tensor expected = opened.First(file => file.Names.Contains(name)).Read(name);
            TensorAssert.Close(expected, value, reach(name) ?? Absolute, Relative, $"{Name}: {name} after training");
        }
        Array.ForEach(opened, file => file.Dispose());
    });

    public void Dispose() => _tensors?.Dispose();

    private static bool IsExpectation(string name) =>
        name.StartsWith("out.", StringComparison.Ordinal) || name.StartsWith("train.", StringComparison.Ordinal);

    private void Compare(string name, Tensor actual, double absolute, double relative, string what)
    {
        using Tensor expected = _tensors!.Read(name);
        TensorAssert.Close(expected, actual, absolute, relative, $"{Name}: {what}");
    }

    private void Judge(string name, Action comparison)
    {
        if (_excepted.Contains(name))
            Assert.ThrowsExactly<AssertFailedException>(comparison, $"{Name}: '{name}' holds: its exception no longer applies.");
        else
            comparison();
        _comparisons.Held(name);
    }
}
