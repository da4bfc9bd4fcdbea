using System.Text;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Files damaged at random.</summary>
internal static class Mutants
{
    /// <summary>With a few bytes changed, left out or repeated.</summary>
    public static byte[] OfBytes(byte[] original, Random random)
    {
        List<byte> bytes = [.. original];
        for (int changes = random.Next(1, 4); changes > 0 && bytes.Count > 1; changes--)
        {
            // Half of the damage goes where the headers are rather than the numbers.
            int at = random.Next(random.Next(2) == 0 ? bytes.Count : Math.Min(bytes.Count, 2000));
            Change(bytes, at, Math.Min(random.Next(1, 9), bytes.Count - at), random);
        }
        return [.. bytes];
    }

    private static void Change(List<byte> bytes, int at, int length, Random random)
    {
        switch (random.Next(6))
        {
            case 0: bytes[at] = (byte)random.Next(256); break;
            case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 2: bytes[at] = (byte)"0123456789-[]{}\",:\\eu"[random.Next(21)]; break;
            case 3: bytes.RemoveRange(at, length); break;
            case 4: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
            default: bytes.RemoveRange(at, random.Next(5) == 0 ? bytes.Count - at : 1); break;
        }
    }

    /// <summary>With values replaced or removed: the JSON stays whole.</summary>
    public static byte[] OfJson(byte[] original, Random random)
    {
        JsonNode root = JsonNode.Parse(original)!;
        for (int changes = random.Next(1, 3); changes > 0; changes--)
        {
            JsonNode[] nodes = [.. Below(root)];
            Replace(nodes[random.Next(nodes.Length)], random);
        }
        return Encoding.UTF8.GetBytes(root.ToJsonString());
    }

    private static IEnumerable<JsonNode> Below(JsonNode node) => node switch
    {
        JsonObject values => values.SelectMany(pair => pair.Value is { } value ? Below(value).Prepend(value) : []),
        JsonArray items => items.SelectMany(item => item is { } value ? Below(value).Prepend(value) : []),
        _ => [],
    };

    private static void Replace(JsonNode node, Random random)
    {
        JsonNode?[] values =
        [
            null, -1, 0, 1, 3, 7, 64, int.MaxValue, long.MaxValue, 1e300, 0.5, true, false, "", "x", "embedded", "referenced", "tuned",
            new JsonArray(), new JsonObject(), new JsonArray(1, "two"), new JsonObject { ["x"] = 1 },
        ];
        if (node.Parent is JsonObject parent && random.Next(6) == 0)
            parent.Remove(node.GetPropertyName());
        else
            node.ReplaceWith(values[random.Next(values.Length)]);
    }
}
