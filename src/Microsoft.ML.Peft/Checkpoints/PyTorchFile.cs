using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The state dict in a file of <c>torch.save</c>, or of a module in one of <c>torch.jit.save</c>. Its storages are mapped, its pickle is read without running anything.</summary>
internal sealed class PyTorchFile : MappedTensors<PickledTensor>
{
    // Training scripts put the state dict beside other things under one of these.
    private static readonly string[] s_wrappers = ["state_dict", "model", "module"];

    private readonly IReadOnlyDictionary<string, FileRegion> _storages;

    private PyTorchFile(MappedFile mapping, FileRegion region) : base(mapping, region)
    {
        (object? root, _storages) = ZipDirectory.IsZip(mapping) ? PyTorchZip.Read(mapping, Description) : PyTorchLegacy.Read(mapping, Description);
        foreach (var (key, value) in StateDict(root))
        {
            if (key is string name && value is PickledTensor tensor)
                Entries.Add(name, tensor);
        }
        foreach (var (name, tensor) in Entries)
            CheckStorage(name, tensor.Storage);
    }

    public override Dictionary<string, PickledTensor> Entries { get; } = new(StringComparer.Ordinal);

    public static PyTorchFile Open(string path) => Open(FileRegion.Whole(path), Create);

    public static PyTorchFile Open(string path, long offset, long length) => Open(new FileRegion(path, offset, length), Create);

    public override long[] ShapeOf(string name) => Find(name).Shape;

    public override Tensor Read(string name)
    {
        PickledTensor tensor = Find(name);
        using Tensor storage = Mapping.Tensor(_storages[tensor.Storage.Key].Offset, tensor.Storage.Type, [tensor.Storage.Count]);
        return storage.as_strided(tensor.Shape, tensor.Strides, tensor.Offset);
    }

    private static PyTorchFile Create(MappedFile mapping, FileRegion region) => new(mapping, region);

    private IEnumerable<KeyValuePair<object, object?>> StateDict(object? root)
    {
        if (root is PickledObject module)
            return ScriptedModule.Tensors(module, Description);
        var dictionary = root as Dictionary<object, object?> ?? throw Malformed.File(Description, "a state dict", PickledTypes.Name(root));
        if (dictionary.Values.Any(value => value is PickledTensor))
            return dictionary;
        return s_wrappers.Select(key => dictionary.GetValueOrDefault(key)).OfType<Dictionary<object, object?>>().FirstOrDefault() ?? dictionary;
    }

    private void CheckStorage(string name, PickledStorage storage)
    {
        if (!_storages.TryGetValue(storage.Key, out FileRegion region))
            throw Malformed.Tensor(Description, name, $"its storage '{storage.Key}' in the file", "none");
        if ((Int128)storage.Count * storage.Type.ElementSize() != region.Length)
        {
            string expected = $"{storage.Count} elements of {storage.Type} in storage '{storage.Key}'";
            throw Malformed.Tensor(Description, name, expected, $"{region.Length} bytes");
        }
    }
}
