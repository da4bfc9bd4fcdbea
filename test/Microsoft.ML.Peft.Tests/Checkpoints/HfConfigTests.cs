using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Values of config.json, and what is said where they are not as expected.</summary>
[TestClass]
public sealed class HfConfigTests
{
    private const string Text = """
        {"model_type":"bert","architectures":["BertModel"],"hidden_size":32,"eps":1e-12,"tie":true,"none":null,"eos":[1,2],"pad":0,
         "id2label":{"0":"no","1":"yes"},"text_config":{"model_type":"gpt2","n":1.5}}
        """;

    private static readonly HfConfig s_config = HfConfig.Parse(Text, "config.json");

    [TestMethod]
    public void ValuesAreRead()
    {
        Assert.AreEqual("bert", s_config.ModelType);
        CollectionAssert.AreEqual(new[] { "BertModel" }, s_config.Architectures.ToArray());
        Assert.AreEqual(32, s_config.Int("hidden_size"));
        Assert.AreEqual(1e-12, s_config.Double("eps"));
        Assert.IsTrue(s_config.Bool("tie"));
        Assert.AreEqual("yes", s_config.Id2Label![1]);
        CollectionAssert.AreEqual(new[] { 1, 2 }, s_config.Ints("eos").ToArray());
        CollectionAssert.AreEqual(new[] { 0 }, s_config.Ints("pad").ToArray());
        Assert.AreEqual("gpt2", s_config.Section("text_config").ModelType);
        Assert.AreEqual(Text.Trim(), s_config.Json);
    }

    [TestMethod]
    public void NullAndAbsentFallBack()
    {
        Assert.AreEqual(7, s_config.Int("none", 7));
        Assert.AreEqual("x", s_config.String("absent", "x"));
        Assert.AreEqual(0.5, s_config.Double("absent", 0.5));
        Assert.IsFalse(s_config.Bool("absent", false));
        Assert.IsFalse(s_config.Has("none"));
        Assert.IsNull(HfConfig.Parse("{}", "c").Id2Label);
    }

    [TestMethod]
    public void AMissingKeyIsNamed() => Refused(() => s_config.Int("layers"), "config.json: expected an integer under 'layers', found nothing.");

    [TestMethod]
    public void AnIllTypedKeyIsNamed()
    {
        Refused(() => s_config.Int("eps"), "config.json: expected an integer under 'eps', found 1e-12.");
        Refused(() => s_config.Bool("hidden_size"), "expected true or false under 'hidden_size', found 32.");
        Refused(() => s_config.String("tie"), "expected a string under 'tie', found true.");
        Refused(() => s_config.Double("model_type"), "expected a number under 'model_type', found \"bert\".");
        Refused(() => s_config.Section("text_config").Int("n"), "config.json: text_config: expected an integer under 'n', found 1.5.");
    }

    [TestMethod]
    public void OtherThanAnObjectIsRefused()
    {
        Refused(() => HfConfig.Parse("[]", "c"), "c: expected a JSON object, found Array.");
        Refused(() => HfConfig.Parse("{", "c"), "c: expected valid JSON");
        Refused(() => HfConfig.Parse("""{"id2label":{"a":"b"}}""", "c"), "c: expected integers as the keys of 'id2label', found 'a'.");
    }

    [TestMethod]
    public void AMissingFileNamesItsFolder() =>
        StringAssert.Contains(Assert.ThrowsExactly<FileNotFoundException>(() => HfConfig.Load("nowhere")).Message, "nowhere: expected a config.json");

    private static void Refused(Action action, string message) => StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(action).Message, message);
}
