using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>What becomes one checkpoint.</summary>
/// <param name="Weights">The model's weights.</param>
/// <param name="Merged">What the adapter changes.</param>
/// <param name="Config">The base's configuration.</param>
/// <param name="Labels">The task's classes.</param>
/// <param name="HeadKind">What transformers' name for a model with the task's head ends in; null where there is none.</param>
/// <param name="Processor">What makes the model's inputs.</param>
/// <param name="GenerationConfig">The text of the base's generation_config.json; null where it has none.</param>
internal sealed record MergeSource(
    ModelWeights Weights, IReadOnlyList<MergedWeight> Merged, HfConfig Config, LabelSet Labels, string? HeadKind, InputProcessor Processor, string? GenerationConfig);

/// <summary>
/// Base and adapter as one checkpoint folder that transformers reads. Tensors go from the base's files to the new ones one by
/// one, in the base's types: what an adapter changes is added in single precision and rounded once. Matrices that are packed are
/// packed again in their format, or all become floats.
/// </summary>
internal sealed class MergedFolder
{
    private static readonly Regex ArchitectureEnd = new("(For[A-Z][A-Za-z]*|LMHeadModel|Model)$", RegexOptions.CultureInvariant);
    private static readonly string[] s_otherHeads = ["num_labels", "_num_labels", "problem_type", "id2label", "label2id"];

    private readonly ModelWeights _weights;
    private readonly SharedCheckpoint? _base;
    private readonly Dictionary<string, MergedWeight> _merged;
    private readonly Dictionary<string, string> _names;
    private readonly Dictionary<string, QuantizedWeight> _packed;
    private readonly MergeLosses _losses = new();
    private readonly bool _requantizes;

    private MergedFolder(ModelWeights weights, IReadOnlyList<MergedWeight> merged, bool requantizes)
    {
        _weights = weights;
        _requantizes = requantizes;
        // None where the weights started at random: what trained is then all that there is.
        _base = weights.Checkpoint;
        _merged = merged.ToDictionary(weight => weight.Name, StringComparer.Ordinal);
        // The vocabulary goes as the base's files have it.
        var packed = weights.Quantized.Select(w => (Weight: w, Key: weights.Sources.KeyOf(w.Name)?.Name))
            .Where(w => w.Key is not null && (!w.Weight.IsVocabulary || _base!.IsPacked(w.Key) || _merged.ContainsKey(w.Weight.Name))).ToList();
        _packed = packed.ToDictionary(w => w.Key!, w => w.Weight, StringComparer.Ordinal);
        // A bare checkpoint leaves the base model's prefix out: beside a head's weights it must be there.
        _names = weights.All.Select(p => p.Name).Concat(weights.Quantized.Select(w => w.Name)).Select(name => (Name: name, Key: weights.Sources.KeyOf(name)?.Name))
            .Where(p => p.Key is not null).ToDictionary(p => p.Key!, p => p.Name, StringComparer.Ordinal);
    }

    /// <summary>Whether a head that shares the token table gets a matrix of its own.</summary>
    private bool Unties => _weights.Sites.TiesOutput && (_merged.ContainsKey(HeadName) || TokenTable is { HeadFollows: false });

    private string HeadName => _weights.Sites.Output!.Path + ".weight";

    private MergedWeight? TokenTable => _weights.Sites.Tokens is { } tokens ? _merged.GetValueOrDefault(tokens.Path + ".weight") : null;

    /// <summary>Writes the folder, which appears whole or not at all.</summary>
    /// <param name="folder">The new folder.</param>
    /// <param name="source">What it is made of.</param>
    /// <param name="requantizes">Whether packed matrices are packed again; else they become floats.</param>
    /// <param name="check">Is given the folder, which still bears another name, and what was lost; throws to undo it all.</param>
    /// <param name="shardBytes">Bytes of tensors in a file at most.</param>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    public static void Write(
        string folder, MergeSource source, bool requantizes, Action<string, MergeLosses> check, long shardBytes = ShardedWriter.DefaultShardBytes)
    {
        var writer = new MergedFolder(source.Weights, source.Merged, requantizes);
        NewFolder.Write(folder, partial =>
        {
            source.Processor.Write(partial);
            File.WriteAllText(
                Path.Combine(partial, HfConfig.FileName), writer.Config(source).ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
            if (source.GenerationConfig is { } generation)
                File.WriteAllText(Path.Combine(partial, GenerationConfigFile.FileName), generation);
            ShardedWriter.Write(partial, [.. writer.Tensors()], shardBytes);
            check(partial, writer._losses);
        });
    }

    private JsonObject Config(MergeSource source)
    {
        JsonObject json = JsonNode.Parse(source.Config.Json)!.AsObject();
        if (Unties)
            json["tie_word_embeddings"] = false;
        if (TokenTable is { Origin: { } origin } table && table.Shape[0] != origin.Value.size(0))
            json["vocab_size"] = table.Shape[0];
        if (!_requantizes)
            json.Remove(QuantizationConfig.Key);
        else if (!json.ContainsKey(QuantizationConfig.Key) && _packed.Values.FirstOrDefault(w => !w.IsVocabulary) is { } first && QuantizationConfig.Of(first.Matrix) is { } form)
            json[QuantizationConfig.Key] = form;
        if (source.HeadKind is { } kind)
            WriteHead(json, source.Config, source.Labels, kind);
        return json;
    }

    // What the base's file says of another head would be believed.
    private static void WriteHead(JsonObject json, HfConfig config, LabelSet labels, string kind)
    {
        foreach (string other in s_otherHeads)
            json.Remove(other);
        if (labels.Count > 0)
            labels.WriteConfig(json);
        if (config.Architectures.Count > 0)
            json["architectures"] = new JsonArray(ArchitectureEnd.Replace(config.Architectures[0], "") + kind);
    }

    private IEnumerable<PlannedTensor> Tensors()
    {
        var written = new HashSet<string>(StringComparer.Ordinal);
        foreach (string key in StoredKeys())
        {
            if (_packed.TryGetValue(key, out QuantizedWeight? weight))
            {
                written.Add(weight.Name);
                foreach (PlannedTensor part in Packed(weight))
                    yield return part;
                continue;
            }
            string name = _names.GetValueOrDefault(key, key);
            written.Add(name);
            yield return _merged.TryGetValue(name, out MergedWeight? change)
                ? Changed(change, key)
                : Stored(name, key);
        }
        foreach (MergedWeight change in _merged.Values.Where(change => written.Add(change.Name)))
        {
            yield return change.Origin is { } origin
                ? Changed(change, _weights.Sources.KeyOf(origin.Name)?.Name)
                // A head that shared a packed table.
                : new PlannedTensor(change.Name, change.Packed!.Type, change.Shape, () => Floats(change.Packed, change, transposed: false));
        }
        if (Unties && written.Add(HeadName))
        {
            string key = _weights.Sources.KeyOf(_weights.Sites.Tokens!.Path + ".weight")!.Value.Name;
            yield return Stored(HeadName, key);
        }
        foreach (Parameter parameter in _weights.All.Where(p => p.IsNew && written.Add(p.Name)))
            yield return new PlannedTensor(parameter.Name, parameter.Value.dtype, parameter.Value.Sizes(), () => parameter.Value.detach());
    }

    // Of a classifier that was left out, nothing stays beside the new one; a packed matrix goes under its own name, parts and all.
    private IEnumerable<string> StoredKeys() => (_base?.Names ?? [])
        .Where(name => !_weights.Sources.IsLeftOut(name) || _merged.ContainsKey(name))
        .Where(name => !_packed.Keys.Any(key => QuantStateFile.IsPartOf(name, key)))
        .Order(StringComparer.Ordinal);

    private PlannedTensor Stored(string name, string key) => new(name, _base!.Stored.TypeOf(key), _base.ShapeOf(key), () => _base.Stored.Read(key));

    private IEnumerable<PlannedTensor> Packed(QuantizedWeight weight)
    {
        MergedWeight? change = _merged.GetValueOrDefault(weight.Name);
        PackedMatrix matrix = change?.Packed ?? weight.Matrix;
        if (!_requantizes || weight.IsVocabulary)
        {
            long[] shape = weight.IsTransposed ? [matrix.Inputs, matrix.Outputs] : [matrix.Outputs, matrix.Inputs];
            return [new PlannedTensor(weight.Name, matrix.Type, shape, () => Floats(matrix, change, weight.IsTransposed))];
        }
        return PackedTensors.Plan(weight.Name, matrix, weight.IsTransposed, use =>
        {
            if (change is null && matrix is not DeferredMatrix)
            {
                use(matrix);
                return;
            }
            using PackedMatrix made = change is not null ? Requantized(matrix, change) : ((DeferredMatrix)matrix).Pack();
            use(made);
        });
    }

    private static Tensor Floats(PackedMatrix matrix, MergedWeight? change, bool transposed)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor floats = matrix.Dequantize();
        Tensor merged = change is null ? floats : change.Make(floats);
        return (transposed ? merged.t() : merged).to(matrix.Type).MoveToOuterDisposeScope();
    }

    private PackedMatrix Requantized(PackedMatrix matrix, MergedWeight change)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor before = matrix.Dequantize(), wanted = change.Make(before);
        PackedMatrix merged = Repack(matrix, wanted, change.Name);
        _losses.Add(change.Name, before, wanted, merged.Dequantize());
        return merged;
    }

    private static PackedMatrix Repack(PackedMatrix format, Tensor weight, string name)
    {
        using var scope = NewDisposeScope();
        return format.Repack(weight.to(format.Type), name);
    }

    // A new weight (a task's head) has the type in which it was trained.
    private PlannedTensor Changed(MergedWeight change, string? key)
    {
        ScalarType type = key is null ? ScalarType.Float32 : _base!.Stored.TypeOf(key);
        return new PlannedTensor(change.Name, type, change.Shape, () =>
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            Tensor origin = (key is null ? change.Origin!.Value.alias() : _base!.Stored.Read(key)).to(ScalarType.Float32);
            FiniteWeights.Check(origin, _base?.Stored.Description ?? "The model", key ?? change.Name);
            return change.Make(origin).to(type).MoveToOuterDisposeScope();
        });
    }
}
