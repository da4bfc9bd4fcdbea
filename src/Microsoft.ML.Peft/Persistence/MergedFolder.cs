using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>
/// Base and adapter as one checkpoint folder that transformers reads. Tensors go from the base's files to the new ones one by
/// one, in the base's types: what an adapter changes is added in single precision and rounded once.
/// </summary>
internal sealed class MergedFolder
{
    private const string GenerationConfig = "generation_config.json";

    private readonly ModelWeights _weights;
    private readonly SharedCheckpoint _base;
    private readonly Dictionary<string, MergedWeight> _merged;
    private readonly Dictionary<string, string> _names;

    private MergedFolder(ModelWeights weights, IReadOnlyList<MergedWeight> merged)
    {
        _weights = weights;
        _base = weights.Checkpoint ?? throw new NotSupportedException("The base has no checkpoint: its weights started at random. Save the model instead.");
        _merged = merged.ToDictionary(weight => weight.Name, StringComparer.Ordinal);
        // A bare checkpoint leaves the base model's prefix out: beside a head's weights it must be there.
        _names = weights.All.Select(p => (p.Name, Key: weights.KeyOf(p.Name))).Where(p => p.Key is not null)
            .ToDictionary(p => p.Key!, p => p.Name, StringComparer.Ordinal);
    }

    /// <summary>Whether a head that shares the token table gets a matrix of its own.</summary>
    private bool Unties => _weights.Sites.TiesOutput && (_merged.ContainsKey(HeadName) || TokenTable is { HeadFollows: false });

    private string HeadName => _weights.Sites.Output!.Path + ".weight";

    private MergedWeight? TokenTable => _weights.Sites.Tokens is { } tokens ? _merged.GetValueOrDefault(tokens.Table.Name) : null;

    /// <summary>Writes the folder, which appears whole or not at all.</summary>
    /// <param name="folder">The new folder.</param>
    /// <param name="weights">The model's weights.</param>
    /// <param name="merged">What the adapter changes.</param>
    /// <param name="config">The base's configuration.</param>
    /// <param name="labels">The task's classes.</param>
    /// <param name="tokenizer">The tokenizer's files.</param>
    /// <param name="baseFolder">Where further files of the base may be; null if it is not known.</param>
    /// <param name="shardBytes">Bytes of tensors in a file at most.</param>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    public static void Write(
        string folder, ModelWeights weights, IReadOnlyList<MergedWeight> merged, HfConfig config, LabelSet labels, TokenizerFiles tokenizer,
        string? baseFolder, long shardBytes = ShardedWriter.DefaultShardBytes)
    {
        var writer = new MergedFolder(weights, merged);
        NewFolder.Write(folder, partial =>
        {
            tokenizer.Write(partial);
            File.WriteAllText(Path.Combine(partial, HfConfig.FileName), writer.Config(config, labels).ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
            if (baseFolder is not null && File.Exists(Path.Combine(baseFolder, GenerationConfig)))
                File.Copy(Path.Combine(baseFolder, GenerationConfig), Path.Combine(partial, GenerationConfig));
            ShardedWriter.Write(partial, [.. writer.Tensors()], shardBytes);
        });
    }

    private JsonObject Config(HfConfig config, LabelSet labels)
    {
        JsonObject json = JsonNode.Parse(config.Json)!.AsObject();
        if (Unties)
            json["tie_word_embeddings"] = false;
        if (TokenTable is { } table && table.Shape[0] != table.Origin.Value.shape[0])
            json["vocab_size"] = table.Shape[0];
        if (labels.Count > 0)
        {
            json["id2label"] = new JsonObject(labels.Names.Select((name, id) => KeyValuePair.Create($"{id}", (JsonNode?)name)));
            json["label2id"] = new JsonObject(labels.Names.Select((name, id) => KeyValuePair.Create(name, (JsonNode?)id)));
        }
        return json;
    }

    private IEnumerable<PlannedTensor> Tensors()
    {
        var written = new HashSet<string>(StringComparer.Ordinal);
        foreach (string key in _base.Names.Order(StringComparer.Ordinal))
        {
            string name = _names.GetValueOrDefault(key, key);
            written.Add(name);
            yield return _merged.TryGetValue(name, out MergedWeight? change)
                ? Changed(change, key)
                : new PlannedTensor(name, _base.Stored.TypeOf(key), _base.ShapeOf(key), () => _base.Stored.Read(key));
        }
        foreach (MergedWeight change in _merged.Values.Where(change => written.Add(change.Name)))
            yield return Changed(change, _weights.KeyOf(change.Origin.Name));
        if (Unties && written.Add(HeadName))
        {
            string key = _weights.KeyOf(_weights.Sites.Tokens!.Table.Name)!;
            yield return new PlannedTensor(HeadName, _base.Stored.TypeOf(key), _base.ShapeOf(key), () => _base.Stored.Read(key));
        }
        foreach (Parameter parameter in _weights.All.Where(p => p.IsNew && written.Add(p.Name)))
            yield return new PlannedTensor(parameter.Name, parameter.Value.dtype, parameter.Value.shape, () => parameter.Value.detach());
    }

    // A new weight (a task's head) has the type in which it was trained.
    private PlannedTensor Changed(MergedWeight change, string? key)
    {
        ScalarType type = key is null ? ScalarType.Float32 : _base.Stored.TypeOf(key);
        return new PlannedTensor(change.Name, type, change.Shape, () =>
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            Tensor origin = (key is null ? change.Origin.Value.alias() : _base.Stored.Read(key)).to(ScalarType.Float32);
            return change.Make(origin).to(type).MoveToOuterDisposeScope();
        });
    }
}
