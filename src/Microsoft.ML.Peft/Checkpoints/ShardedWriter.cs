using System.Globalization;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Writes <c>model.safetensors</c>, or several such files and their index where they are large, as Hugging Face's tools do.</summary>
internal static class ShardedWriter
{
    public const long DefaultShardBytes = 5_000_000_000;

    private const string Stem = "model", Extension = ".safetensors";

    public static void Write(string folder, IReadOnlyList<PlannedTensor> tensors, long shardBytes)
    {
        List<List<PlannedTensor>> shards = Split(tensors, shardBytes);
        var map = new JsonObject();
        for (int i = 0; i < shards.Count; i++)
        {
            string file = shards.Count == 1 ? Stem + Extension : string.Create(CultureInfo.InvariantCulture, $"{Stem}-{i + 1:d5}-of-{shards.Count:d5}{Extension}");
            SafetensorsWriter.WriteFile(Path.Combine(folder, file), shards[i]);
            foreach (PlannedTensor tensor in shards[i])
                map[tensor.Name] = file;
        }
        if (shards.Count == 1)
            return;
        var index = new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = tensors.Sum(tensor => tensor.Bytes) },
            ["weight_map"] = map,
        };
        File.WriteAllText(Path.Combine(folder, Stem + Extension + ".index.json"), index.ToJsonString(new() { WriteIndented = true }));
    }

    private static List<List<PlannedTensor>> Split(IReadOnlyList<PlannedTensor> tensors, long shardBytes)
    {
        List<List<PlannedTensor>> shards = [[]];
        long size = 0;
        foreach (PlannedTensor tensor in tensors)
        {
            if (size > 0 && size + tensor.Bytes > shardBytes)
            {
                shards.Add([]);
                size = 0;
            }
            shards[^1].Add(tensor);
            size += tensor.Bytes;
        }
        return shards;
    }
}
