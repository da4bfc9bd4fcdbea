using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>One folder of the parity cases: the call, its tensors and the tolerance.</summary>
internal sealed class ParityCase : IDisposable
{
    // Cases of texts alone have no tensors.
    private readonly Lazy<SafetensorsFile> _io;

    public ParityCase(string folder)
    {
        Folder = folder;
        Json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!.AsObject();
        _io = new(() => SafetensorsFile.Open(Path.Combine(folder, "io.safetensors")));
    }

    public string Folder { get; }

    public JsonObject Json { get; }

    public double Absolute => Json["atol"]!.GetValue<double>();

    public double Relative => Json["rtol"]!.GetValue<double>();

    public IEnumerable<string> TensorNames => _io.Value.Entries.Keys;

    public bool Has(string name) => _io.Value.Entries.ContainsKey(name);

    public Tensor Read(string name) => _io.Value.Read(name);

    public void Check(string name, Tensor actual)
    {
        using Tensor expected = Read(name);
        TensorAssert.Close(expected, actual, Absolute, Relative, $"{Path.GetFileName(Folder)}: {name}");
    }

    public void Dispose()
    {
        if (_io.IsValueCreated)
        {
            _io.Value.Dispose();
        }
    }
}
