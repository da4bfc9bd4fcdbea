using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Persistence;

namespace Microsoft.ML.Peft.Tests.Persistence;

[TestClass]
public sealed class ManifestTests
{
    private const string First = """
        {
          "formatVersion": 1,
          "task": { "key": "text-embedding", "settings": { "Normalize": true } },
          "tuner": { "key": "frozen", "settings": {} },
          "labels": { "keyType": null },
          "maxLength": 7, "batchSize": 2, "tokenizer": [], "config": { "model_type": "bert" },
          "base": { "kind": "referenced", "folder": "there", "sha256": "00" }
        }
        """;

    [TestMethod]
    public void TheFirstFormatReadsAsTheSecond()
    {
        Manifest manifest = Manifest.Parse(Encoding.UTF8.GetBytes(First));
        Assert.AreEqual(("text-embedding", "Microsoft.ML.Peft"), (manifest.Tasks.Single().Key, manifest.Tasks.Single().Assembly));
        Assert.IsTrue(manifest.Tasks.Single().Labels.ContainsKey("keyType"));
        Assert.AreEqual("Microsoft.ML.Peft", manifest.Tuner.Assembly);
        Assert.AreEqual("there", manifest.Bases["model"].Folder);
        Assert.IsNull(manifest.Model);
        Assert.IsNull(manifest.Processor);
        JsonNode written = JsonNode.Parse(manifest.ToUtf8())!;
        Assert.AreEqual(2, (int)written["formatVersion"]!);
        Assert.AreEqual("there", (string?)written["bases"]!["model"]!["folder"]);
    }

    [TestMethod]
    public void SeveralOfAllTravel()
    {
        Manifest one = Manifest.Parse(Encoding.UTF8.GetBytes(First));
        var several = one with
        {
            Tasks = [one.Tasks[0], one.Tasks[0] with { Key = "other", Assembly = "Made.Up" }],
            Processor = new KeyedSettings { Key = "pictures", Assembly = "Made.Up", Settings = new JsonObject { ["size"] = 224 } },
            Model = new ArchivedKey { Key = "two-towers", Assembly = "Made.Up" },
            Bases = new Dictionary<string, BaseEntry>
            {
                ["eyes"] = new() { Kind = BaseKind.Embedded },
                ["words"] = new() { Kind = BaseKind.Embedded, Quantization = new QuantizationOptions() },
            },
        };
        Manifest read = Manifest.Parse(several.ToUtf8());
        Assert.AreEqual(("other", "Made.Up"), (read.Tasks[1].Key, read.Tasks[1].Assembly));
        Assert.AreEqual(224, (int)read.Processor!.Settings["size"]!);
        Assert.AreEqual("Made.Up", read.Processor.Assembly);
        Assert.AreEqual("two-towers", read.Model!.Key);
        CollectionAssert.AreEqual(new[] { "eyes", "words" }, read.Bases.Keys.ToArray());
        Assert.IsNull(read.Bases["eyes"].Quantization);
        Assert.IsNotNull(read.Bases["words"].Quantization);
    }

    [TestMethod]
    [DataRow("\"key\": \"frozen\"", "\"key\": null")]
    [DataRow("\"folder\": \"there\"", "\"kind\": null")]
    [DataRow("\"base\": {", "\"elsewhere\": {")]
    [DataRow("\"task\": {", "\"tusk\": {")]
    [DataRow("\"labels\": {", "\"label\": {")]
    [DataRow("\"tokenizer\": []", "\"tokenizer\": [null]")]
    [DataRow("\"tokenizer\": []", "\"tokenizer\": [{\"name\": \"tokenizer.json\"}]")]
    [DataRow("\"formatVersion\": 1", "\"formatVersion\": 2")]
    [DataRow("\"batchSize\": 2", "\"batchSize\": 0")]
    public void WhatIsNoManifestIsRefused(string text, string instead)
    {
        Assert.Contains(text, First);
        Assert.ThrowsExactly<InvalidDataException>(() => Manifest.Parse(Encoding.UTF8.GetBytes(First.Replace(text, instead, StringComparison.Ordinal))));
    }
}
