using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Where a tensor lies in a file that names it otherwise.</summary>
/// <param name="Name">Its name there.</param>
internal sealed record StoredTensor(string Name)
{
    /// <summary>Whether the file has the matrix as [in, out].</summary>
    public bool IsTransposed { get; init; }

    /// <summary>Of several equally many rows that are one tensor in the file, which it is, from 0, and how many there are.</summary>
    public (int Part, int Of) Rows { get; init; } = (0, 1);

    /// <summary>What its shape must be for that; null where this one will do.</summary>
    public string? Refuses(long[] stored) => IsTransposed && stored.Length != 2 ? "two dimensions"
        : Rows.Of > 1 && (stored.Length == 0 || stored[0] % Rows.Of != 0) ? $"rows in {Rows.Of} equal parts"
        : null;

    public long[] ShapeOf(long[] stored) => IsTransposed ? [stored[1], stored[0]] : Rows.Of > 1 ? [stored[0] / Rows.Of, .. stored[1..]] : stored;

    /// <summary>The tensor out of the file's, which it disposes.</summary>
    public Tensor Take(Tensor stored)
    {
        using (stored)
        {
            if (IsTransposed)
            {
                using Tensor turned = stored.t();
                return turned.contiguous();
            }
            long rows = Rows.Of == 1 ? 0 : stored.size(0) / Rows.Of;
            return Rows.Of == 1 ? stored.alias() : stored.narrow(0, Rows.Part * rows, rows);
        }
    }
}

/// <summary>A file's tensors under other names. What is a part of a tensor is a view of it.</summary>
internal sealed class RenamedTensors : ITensorSource
{
    private readonly ITensorSource _file;
    private readonly IReadOnlyDictionary<string, StoredTensor> _tensors;

    /// <param name="file">The file, which it takes over.</param>
    /// <param name="tensors">What there is, by name.</param>
    /// <exception cref="InvalidDataException">A tensor is of a shape from which it cannot be taken.</exception>
    public RenamedTensors(ITensorSource file, IReadOnlyDictionary<string, StoredTensor> tensors)
    {
        (_file, _tensors) = (file, tensors);
        foreach (StoredTensor tensor in tensors.Values)
        {
            if (tensor.Refuses(file.ShapeOf(tensor.Name)) is not { } needed)
                continue;
            string found = Malformed.Shape(file.ShapeOf(tensor.Name));
            file.Dispose();
            throw Malformed.Tensor(Description, tensor.Name, needed, found);
        }
    }

    public string Description => _file.Description;

    public IReadOnlyCollection<string> Names => [.. _tensors.Keys];

    public IReadOnlyList<FileRegion> Files => _file.Files;

    public long[] ShapeOf(string name)
    {
        StoredTensor tensor = Find(name);
        return tensor.ShapeOf(_file.ShapeOf(tensor.Name));
    }

    public ScalarType TypeOf(string name) => _file.TypeOf(Find(name).Name);

    public bool IsView(string name) => Find(name) is { IsTransposed: false } tensor && _file.IsView(tensor.Name);

    public Tensor Read(string name)
    {
        StoredTensor tensor = Find(name);
        return tensor.Take(_file.Read(tensor.Name));
    }

    public void Dispose() => _file.Dispose();

    private StoredTensor Find(string name) => _tensors.TryGetValue(name, out StoredTensor? found) ? found : throw Malformed.NoTensor(Description, name);
}
