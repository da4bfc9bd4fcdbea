using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Weights;

/// <summary>
/// A counted reference to frozen weights. A base that several models, folds or adapters stand on is read, converted and
/// placed once a process. Its tensors belong to it: keep a reference for as long as they are used, never dispose them.
/// </summary>
internal sealed class SharedCheckpoint : IDisposable
{
    private readonly Counted _counted;
    private int _disposed;

    private SharedCheckpoint(Counted counted)
    {
        _counted = counted;
    }

    // A reference nobody disposed of only gives up its count: tensors still in use stay, the rest is the collector's.
    ~SharedCheckpoint() => Release(dispose: false);

    /// <summary>The model's configuration; null where the weights came without one.</summary>
    public HfConfig? Config => _counted.Config;

    public IReadOnlyCollection<string> Names => Weights.Source.Names;

    public Device Device => _counted.Weights.Device;

    /// <summary>The type of the floating weights.</summary>
    public ScalarType Type => _counted.Weights.Type;

    /// <summary>SHA-256 of the weight files' bytes in hexadecimal, of the tensors where there are no files; computed when first asked for.</summary>
    public string ContentHash => Weights.ContentHash();

    /// <summary>Writes the file that holds the weights, where that is smaller than they are; null for others.</summary>
    public Action<Stream>? CopyTo => Weights.Source.CopyTo;

    /// <summary>The size of the files, which are mapped.</summary>
    public long FileBytes => Weights.Source.Files.Sum(file => file.Length);

    /// <summary>What weights take besides: those that were converted, or placed elsewhere.</summary>
    public long CopiedBytes => Weights.CopiedBytes;

    /// <summary>The weights as they are stored, in their own types.</summary>
    public ITensorSource Stored => Weights.Source;

    private PlacedWeights Weights
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            return _counted.Weights;
        }
    }

    /// <summary>A reference to the weights in a folder or a .gguf file; the same weights for the same files, device and type.</summary>
    public static SharedCheckpoint Acquire(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        device ??= CPU;
        string key = KeyOf(folder, device, dtype);
        lock (Counted.Cache)
        {
            if (Counted.Cache.TryGetValue(key, out Counted? known))
                return known.Reference();
            HfConfig? config = HfConfig.TryLoad(folder);
            var counted = new Counted(new PlacedWeights(CheckpointFolder.Open(folder), device, dtype), config, key);
            Counted.Cache.Add(key, counted);
            return counted.Reference();
        }
    }

    /// <summary>A reference to weights from elsewhere, which it takes over; shared by <see cref="AddReference"/> only.</summary>
    public static SharedCheckpoint From(
        ITensorSource source, Device? device = null, ScalarType dtype = ScalarType.Float32, HfConfig? config = null, bool defersPacking = false) =>
        new Counted(new PlacedWeights(source, device ?? CPU, dtype, defersPacking), config, key: null).Reference();

    /// <summary>Another reference to the same weights, to be disposed of on its own.</summary>
    public SharedCheckpoint AddReference()
    {
        lock (Counted.Cache)
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            return _counted.Reference();
        }
    }

    public bool Contains(string name) => Weights.Contains(name);

    public long[] ShapeOf(string name) => Weights.Source.ShapeOf(name);

    /// <summary>The weight <paramref name="name"/>, checked against <paramref name="expectedShape"/> unless that is left out.</summary>
    public Tensor Get(string name, params long[] expectedShape) => Weights.Get(name, expectedShape);

    /// <summary>Refuses weights in use that are no numbers. What is quantized is looked at when it is.</summary>
    /// <exception cref="InvalidDataException">A value is NaN or infinite; the message names the tensor.</exception>
    public void CheckFinite() => Weights.CheckFinite();

    /// <summary>Whether the checkpoint itself holds the weight quantized.</summary>
    public bool IsPacked(string name) => QuantStateFile.Has(Weights.Source.Names, name);

    /// <summary>The matrix <paramref name="name"/> as the checkpoint has it packed, else quantized now, once for all its users.</summary>
    public PackedMatrix GetPacked(string name, long outputs, long inputs, bool transposed, QuantizationOptions? options) =>
        Weights.GetPacked(name, outputs, inputs, transposed, options);

    /// <summary>Refuses the checkpoint, listing names, unless both lists are empty.</summary>
    public void ThrowIfIncomplete(IEnumerable<string> missing, IEnumerable<string> unexpected)
    {
        string[] problems = [.. Listed("missing", missing), .. Listed("unexpected", unexpected)];
        if (problems.Length > 0)
            throw new InvalidDataException($"{Weights.Source.Description}: the tensors do not fit the model; {string.Join("; ", problems)}.");
    }

    public void Dispose()
    {
        Release(dispose: true);
        GC.SuppressFinalize(this);
    }

    private static IEnumerable<string> Listed(string what, IEnumerable<string> names)
    {
        const int Most = 10;
        string[] all = [.. names.Order(StringComparer.Ordinal)];
        if (all.Length > 0)
            yield return $"{all.Length} {what}: {string.Join(", ", all.Take(Most))}{(all.Length > Most ? ", ..." : "")}";
    }

    private static string KeyOf(string folder, Device device, ScalarType dtype)
    {
        IEnumerable<FileInfo> files = CheckpointFolder.FilesOf(folder).Append(Path.Combine(folder, HfConfig.FileName))
            .Where(File.Exists).Select(FileRegion.Target);
        return string.Join('\n', files.Select(file => $"{file.FullName}|{file.Length}|{file.LastWriteTimeUtc.Ticks}").Append($"{device}|{dtype}"));
    }

    private void Release(bool dispose)
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            _counted.Release(dispose);
    }

    /// <summary>Weights with the number of references to them.</summary>
    private sealed class Counted(PlacedWeights weights, HfConfig? config, string? key)
    {
        public static readonly Dictionary<string, Counted> Cache = new(StringComparer.Ordinal);

        private int _references;

        public PlacedWeights Weights { get; } = weights;

        public HfConfig? Config { get; } = config;

        public SharedCheckpoint Reference()
        {
            lock (Cache)
                _references++;
            return new(this);
        }

        public void Release(bool dispose)
        {
            lock (Cache)
            {
                if (--_references > 0)
                    return;
                if (key is not null)
                    Cache.Remove(key);
            }
            if (dispose)
                Weights.Dispose();
        }
    }
}
