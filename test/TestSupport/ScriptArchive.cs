using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>
/// Writes tensors as <c>torch.jit.save</c> writes a module: a tree of objects, each of a class of its own whose code says what its attributes are.
/// <c>torch.jit.load</c> reads it.
/// </summary>
internal sealed class ScriptArchive
{
    private static readonly string[] s_buffers = ["running_mean", "running_var", "num_batches_tracked", "input_resolution", "context_length", "vocab_size"];

    private readonly StringBuilder _code = new();
    private readonly PickleWriter _pickle = new();
    private int _classes;

    public static void Write(string target, IEnumerable<(string Name, Tensor Value)> tensors)
    {
        var archive = new ScriptArchive();
        archive.Add(archive.NewClass(), [.. tensors.Select(tensor => (tensor.Name.Split('.'), tensor.Value))]);
        archive._pickle.WriteZip(
            target, "model", ("code/__torch__.py", Encoding.UTF8.GetBytes(archive._code.ToString()), true), ("constants.pkl", [0x80, 2, (byte)')', (byte)'.'], false), ("version", "3\n"u8.ToArray(), false));
    }

    private string NewClass() => $"Module{_classes++}";

    private void Add(string name, (string[] Path, Tensor Value)[] tensors)
    {
        _pickle.Code($"c__torch__\n{name}\n)\u0081}}(");
        var code = new StringBuilder();
        foreach (var (path, value) in tensors.Where(tensor => tensor.Path.Length == 1))
        {
            _pickle.Text(path[0]).Tensor(value);
            code.AppendLine($"  {path[0]} : Tensor");
        }
        code.AppendLine("  training : bool").AppendLine("  __annotations__ = []");
        foreach (var part in tensors.Where(tensor => tensor.Path.Length > 1).GroupBy(tensor => tensor.Path[0]))
        {
            string own = NewClass();
            _pickle.Text(part.Key);
            Add(own, [.. part.Select(tensor => (tensor.Path[1..], tensor.Value))]);
            code.AppendLine($"  __annotations__[\"{part.Key}\"] = __torch__.{own}");
        }
        _pickle.Text("training").Code("\u0089ub");
        string Named(bool buffers) => string.Join(", ", tensors.Where(tensor => tensor.Path.Length == 1 && s_buffers.Contains(tensor.Path[0]) == buffers).Select(tensor => $"\"{tensor.Path[0]}\""));
        _code.AppendLine($"class {name}(Module):").AppendLine($"  __parameters__ = [{Named(false)}]").AppendLine($"  __buffers__ = [{Named(true)}]").Append(code);
    }
}
