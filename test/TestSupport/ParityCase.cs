using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>One folder of the parity cases: the call, its tensors and the tolerance.</summary>
internal sealed class ParityCase : IDisposable
{
    private readonly SafetensorsFile _io;

    public ParityCase(string folder)
    {
        Folder = folder;
        Json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!.AsObject();
        _io = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
    }

    public string Folder { get; }

    public JsonObject Json { get; }

    public double Absolute => Json["atol"]!.GetValue<double>();

    public double Relative => Json["rtol"]!.GetValue<double>();

    public IEnumerable<string> TensorNames => _io.Entries.Keys;

    public bool Has(string name) => _io.Entries.ContainsKey(name);

    public Tensor Read(string name) => _io.Read(name);

    public void Check(string name, Tensor actual)
    {
        using Tensor expected = Read(name);
        TensorAssert.Close(expected, actual, Absolute, Relative, $"{Path.GetFileName(Folder)}: {name}");
    }

    public void Dispose() => _io.Dispose();
}
