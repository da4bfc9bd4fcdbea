using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// The state of a run in one safetensors file, replaced as a whole: weights, moments, best weights, and the position in the
/// metadata. A hash over all of it tells a damaged file.
/// </summary>
internal sealed class TrainingCheckpoint(
    string folder, string facts, IReadOnlyList<Parameter> parameters, Optimizer optimizer, BestWeights best, Participants participants)
{
    public const string FileName = "training-state.safetensors";

    private const string RunKey = "run", StateKey = "state", StepsKey = "steps", HashKey = "sha256";
    private const string Weight = "weight/", Best = "best/";

    public string File { get; } = Path.Combine(folder, FileName);

    /// <summary>The seed of the run whose state lies in a folder; null where there is none.</summary>
    /// <exception cref="InvalidDataException">The file is damaged; the message names it.</exception>
    public static long? SeedIn(string folder)
    {
        string file = Path.Combine(folder, FileName);
        if (!System.IO.File.Exists(file))
            return null;
        using var source = SafetensorsFile.Open(file);
        return RunFacts.SeedIn(source.Metadata.GetValueOrDefault(RunKey));
    }

    public void Save(TrainingState state)
    {
        Directory.CreateDirectory(folder);
        List<(string Name, Tensor Value)> tensors = Collect();
        var metadata = new Dictionary<string, string>
        {
            [RunKey] = facts,
            [StateKey] = JsonSerializer.Serialize(state),
            [StepsKey] = JsonSerializer.Serialize(optimizer.Export().ToDictionary(m => m.Name, m => m.Steps)),
        };
        metadata[HashKey] = Hash(metadata, tensors);
        SafetensorsWriter.WriteFile(File, tensors, metadata);
    }

    /// <summary>Takes the state up, if there is one.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or another run wrote it; the message names it.</exception>
    public TrainingState? Load()
    {
        if (!System.IO.File.Exists(File))
            return null;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var source = SafetensorsFile.Open(File);
        var tensors = source.Names.ToDictionary(name => name, source.Read, StringComparer.Ordinal);
        CheckOrigin(source.Metadata, tensors);
        try
        {
            return Take(source.Metadata, tensors);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{File}: the training state does not fit this version of the library: {e.Message}", e);
        }
    }

    /// <summary>Removes the state; a run that was too short to write one has none.</summary>
    public void Delete()
    {
        if (System.IO.File.Exists(File))
            System.IO.File.Delete(File);
    }

    private List<(string Name, Tensor Value)> Collect() =>
    [
        .. parameters.Select(p => (Weight + p.Name, p.Value)),
        .. optimizer.Export().SelectMany(state => state.Parts.Select(part => (Moment(part.Part, state.Name), part.Value))),
        .. best.Export().Select(b => (Best + b.Name, b.Value)),
        .. participants.Export(),
    ];

    private static string Moment(string part, string parameter) => $"{part}/{parameter}";

    private void CheckOrigin(IReadOnlyDictionary<string, string> metadata, Dictionary<string, Tensor> tensors)
    {
        if (!metadata.TryGetValue(HashKey, out string? hash) || hash != Hash(metadata, tensors.Select(t => (t.Key, t.Value))))
            throw new InvalidDataException($"{File}: the training state is damaged: its content does not match its hash.");
        if (metadata[RunKey] != facts)
        {
            throw new InvalidDataException(
                $"{File} was written by another run: {RunFacts.Differences(metadata[RunKey], facts)}. "
                + $"Go on with what it had, or remove it, or set {nameof(TrainingOptions.Resume)} to false to start over.");
        }
    }

    private TrainingState Take(IReadOnlyDictionary<string, string> metadata, Dictionary<string, Tensor> tensors)
    {
        foreach (Parameter parameter in parameters)
            parameter.Assign(tensors[Weight + parameter.Name]);
        foreach (var (name, steps) in JsonSerializer.Deserialize<Dictionary<string, int>>(metadata[StepsKey])!)
            optimizer.Import(name, steps, part => tensors[Moment(part, name)]);
        foreach (var (name, tensor) in tensors.Where(t => t.Key.StartsWith(Best, StringComparison.Ordinal)))
            best.Import(name[Best.Length..], tensor);
        participants.Import(tensors);
        return JsonSerializer.Deserialize<TrainingState>(metadata[StateKey])!;
    }

    private static string Hash(IReadOnlyDictionary<string, string> metadata, IEnumerable<(string Name, Tensor Value)> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string key in new[] { RunKey, StateKey, StepsKey })
            Append(hash, metadata.GetValueOrDefault(key, ""));
        foreach (var (name, value) in tensors.OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            Append(hash, name);
            NativeTensor.VisitBytes(value, hash.AppendData);
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }

}
