using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>The low-rank update of one module: A [rank, in] and B [out, rank], a table's too.</summary>
/// <param name="Path">The module on Hugging Face.</param>
/// <param name="IsTable">Whether it is the table of the tokens.</param>
/// <param name="A">[rank, in]</param>
/// <param name="B">[out, rank]</param>
internal sealed record GgufUpdate(string Path, bool IsTable, Tensor A, Tensor B);

/// <summary>
/// An adapter as llama.cpp's convert_lora_to_gguf.py writes it: <c>&lt;tensor of the base&gt;.lora_a</c> and <c>.lora_b</c>, laid out as
/// the base's tensor is, and one alpha.
/// </summary>
internal sealed class GgufAdapter : IDisposable
{
    private const string A = ".lora_a", B = ".lora_b", Weight = ".weight", AdapterKind = "adapter";
    private const string KindKey = "general.type", ArchitectureKey = "general.architecture", TypeKey = "adapter.type";
    private const string AlphaKey = "adapter.lora.alpha", BaseHashKey = "adapter.base_sha256";

    private readonly GgufFile _file;
    private readonly GgufArchitecture _architecture;
    private readonly IGgufHeads _heads;

    private GgufAdapter(GgufFile file, HfConfig config)
    {
        (_file, _heads) = (file, new HfHeads(config));
        string? kind = file.Metadata.Text(KindKey);
        if (kind != AdapterKind)
            throw Malformed.File(file.Description, $"'{AdapterKind}' under '{KindKey}'", kind is null ? "nothing" : $"'{kind}': a model, not an adapter");
        _architecture = GgufArchitecture.Of(file);
        if (_architecture.Key != config.ModelType)
            throw Malformed.File(file.Description, $"an adapter for architecture '{config.ModelType}'", $"one for '{_architecture.Key}'");
        Type = file.Metadata.Text(TypeKey) ?? throw Malformed.File(file.Description, $"a string under '{TypeKey}'", "nothing");
    }

    public string Description => _file.Description;

    public string Type { get; }

    /// <summary>The scale is alpha / rank; 1 where there is none.</summary>
    public double? Alpha => _file.Metadata.Number(AlphaKey) is { } alpha and not 0 ? alpha : null;

    /// <summary>SHA-256 of the base; null where the file does not say.</summary>
    public string? BaseSha256 => _file.Metadata.Text(BaseHashKey);

    /// <exception cref="InvalidDataException">The file is malformed, no adapter, or of another architecture.</exception>
    public static GgufAdapter Open(string path, HfConfig config)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new GgufAdapter(file, config);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes an adapter for llama.cpp.</summary>
    /// <exception cref="NotSupportedException">llama.cpp has no such architecture or module.</exception>
    public static void Write(string path, string type, double alpha, string? baseSha256, HfConfig config, IEnumerable<GgufUpdate> updates)
    {
        GgufArchitecture architecture = GgufArchitecture.For(config.ModelType);
        var heads = new HfHeads(config);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var tensors = new List<(string, Tensor)>();
        foreach (GgufUpdate update in updates)
        {
            (GgufModule module, string stored) = architecture.FindName(update.Path) ?? throw new NotSupportedException(
                $"'{update.Path}' has no place in a GGUF file of architecture '{architecture.Key}'.");
            // A table is looked up by its rows.
            tensors.Add((stored + Weight + A, update.IsTable ? update.A.t() : update.A));
            tensors.Add((stored + Weight + B, module.Arrangement(heads).StoreOutputs(update.B)));
        }
        List<(string, object)> metadata =
        [
            (ArchitectureKey, architecture.Key), (KindKey, AdapterKind), (TypeKey, type), (AlphaKey, (float)alpha),
            .. baseSha256 is null ? Array.Empty<(string, object)>() : [(BaseHashKey, baseSha256)],
        ];
        GgufWriter.Write(path, metadata, tensors);
    }

    /// <summary>The updates, in new tensors that the caller disposes.</summary>
    /// <exception cref="InvalidDataException">A tensor has no partner, or no such shape.</exception>
    /// <exception cref="NotSupportedException">A tensor is none of a low-rank update.</exception>
    public IReadOnlyList<GgufUpdate> Updates()
    {
        string? other = _file.Names.FirstOrDefault(name => !name.EndsWith(Weight + A, StringComparison.Ordinal) && !name.EndsWith(Weight + B, StringComparison.Ordinal));
        if (other is not null)
            throw new NotSupportedException($"{Description}: tensor '{other}' is no part of a low-rank update (*{Weight}{A}, *{Weight}{B}).");
        return [.. _file.Names.Select(name => name[..^A.Length]).Distinct().Select(Read)];
    }

    public void Dispose() => _file.Dispose();

    private GgufUpdate Read(string tensor)
    {
        string stored = tensor[..^Weight.Length];
        if (_architecture.Find(stored) is not ({ Name: { } pattern } module, var layer))
            throw new NotSupportedException($"{Description}: tensor '{tensor}' is none that architecture '{_architecture.Key}' is known to have.");
        bool table = tensor == GgufArchitecture.TokenTable;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor a = Matrix(tensor + A), b = Matrix(tensor + B);
        if (table)
            a = a.t();
        if (a.size(0) != b.size(1))
            throw Malformed.Tensor(Description, tensor, "A and B of one rank", $"{a.size(0)} and {b.size(1)}");
        Arrangement arrangement = module.Arrangement(_heads);
        if (arrangement.Refuses(b.Sizes()) is { } needed)
            throw Malformed.Tensor(Description, tensor + B, needed, Malformed.Shape(b.Sizes()));
        return new GgufUpdate(
            pattern.Replace("*", layer, StringComparison.Ordinal), table,
            a.clone().DetachFromDisposeScope(), arrangement.RestoreOutputs(b).clone().DetachFromDisposeScope());
    }

    private Tensor Matrix(string name)
    {
        Tensor values = _file.Read(name).to(ScalarType.Float32);
        return values.dim() == 2 ? values : throw Malformed.Tensor(Description, name, "two dimensions", Malformed.Shape(values.Sizes()));
    }
}
