using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A JSON file of expectations: those of its nodes whose path matches a pattern are there to be compared.</summary>
internal sealed class ExpectedJson
{
    private readonly Comparisons _comparisons;

    /// <param name="name">What messages call it.</param>
    /// <param name="root">The file.</param>
    /// <param name="expectations">The paths of its expectations, such as <c>$.items[0].text</c>.</param>
    public ExpectedJson(string name, JsonObject root, string expectations)
    {
        Root = root;
        _comparisons = new Comparisons(name, Paths(root, new Regex(expectations)));
    }

    public JsonObject Root { get; }

    public static JsonObject Read(string file) => JsonNode.Parse(File.ReadAllText(file))!.AsObject();

    /// <summary>Runs a test over a file of expectations, and fails where it leaves one uncompared.</summary>
    public static void Run(string name, string file, string expectations, Action<ExpectedJson> test)
    {
        var expected = new ExpectedJson(name, Read(file), expectations);
        test(expected);
        expected.AssertComplete();
    }

    /// <summary>A text or a list of texts.</summary>
    public void Same(JsonNode expected, JsonNode? actual, string what)
    {
        if (!JsonNode.DeepEquals(expected, actual))
            Assert.Fail($"{what}: expected {expected.ToJsonString()}, found {actual?.ToJsonString() ?? "null"}.");
        _comparisons.Held(expected.GetPath());
    }

    /// <summary>Token ids, or lists of them.</summary>
    public void Same(JsonNode expected, IEnumerable<int> actual, string what)
    {
        Assert.AreEqual(string.Join(' ', Numbers(expected)), string.Join(' ', actual), what);
        _comparisons.Held(expected.GetPath());
    }

    /// <summary>One number or all that are nested in a list, in their order.</summary>
    /// <param name="expected">The node.</param>
    /// <param name="actual">As many numbers.</param>
    /// <param name="tolerance">How far each may be off, by its place and value.</param>
    /// <param name="what">What is compared.</param>
    public void Close(JsonNode expected, IReadOnlyList<double> actual, Func<int, double, double> tolerance, string what)
    {
        double[] wanted = [.. Numbers(expected)];
        Assert.HasCount(wanted.Length, actual, what);
        for (int i = 0; i < wanted.Length; i++)
            Assert.AreEqual(wanted[i], actual[i], tolerance(i, wanted[i]), $"{what}, number {i}");
        _comparisons.Held(expected.GetPath());
    }

    /// <summary>An error of the original: ours fails as well.</summary>
    public T Throws<T>(JsonNode expected, Func<object> action, string what) where T : Exception
    {
        T failure = Assert.ThrowsExactly<T>(() => action(), what);
        _comparisons.Held(expected.GetPath());
        return failure;
    }

    public void AssertComplete() => _comparisons.AssertComplete();

    private static IEnumerable<double> Numbers(JsonNode node) =>
        node is JsonArray list ? list.SelectMany(item => Numbers(item!)) : [node.GetValue<double>()];

    private static IEnumerable<string> Paths(JsonNode? node, Regex expectations)
    {
        if (node is null)
            return [];
        if (expectations.IsMatch(node.GetPath()))
            return [node.GetPath()];
        IEnumerable<JsonNode?> inner = node switch
        {
            JsonObject fields => fields.Select(field => field.Value),
            JsonArray list => list,
            _ => [],
        };
        return inner.SelectMany(item => Paths(item, expectations));
    }
}
