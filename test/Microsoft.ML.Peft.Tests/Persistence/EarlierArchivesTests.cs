using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Archives that are out there load, and answer as they did when they were written.</summary>
[TestClass]
public sealed class EarlierArchivesTests
{
    private static readonly string Folder = RepositoryFolder.Test("Microsoft.ML.Peft.Tests/Persistence/Earlier");

    public static IEnumerable<object[]> Kinds => EarlierArchives.Kinds.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AnswersAsItDid(string name)
    {
        var ml = TestDevice.NewContext();
        var kind = EarlierArchives.Kinds[name];
        Environment.SetEnvironmentVariable(BaseFolders.Variable, Folder);
        try
        {
            using var model = (PeftTransformer)ml.Model.Load(Path.Combine(Folder, name + ".zip"), out _);
            JsonNode expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, name + ".json")))!;
            AreClose(expected, EarlierArchives.Answers(model.Transform(kind.Rows(ml)), kind.Column), name);
        }
        finally
        {
            Environment.SetEnvironmentVariable(BaseFolders.Variable, null);
        }
    }

    // Another processor rounds elsewhere.
    private static void AreClose(JsonNode expected, JsonNode actual, string where)
    {
        if (expected is JsonArray many)
        {
            Assert.HasCount(many.Count, actual.AsArray(), where);
            for (int i = 0; i < many.Count; i++)
                AreClose(many[i]!, actual[i]!, $"{where}[{i}]");
        }
        else if (expected.AsValue().TryGetValue(out double number))
            Assert.AreEqual(number, actual.GetValue<double>(), 1e-5, where);
        else
            Assert.AreEqual(expected.GetValue<string>(), actual.GetValue<string>(), where);
    }
}
