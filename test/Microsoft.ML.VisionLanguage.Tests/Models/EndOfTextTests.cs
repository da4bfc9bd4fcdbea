using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Models;

/// <summary>Where a text is read, by the conventions that checkpoints have.</summary>
[TestClass]
public sealed class EndOfTextTests
{
    private const int OpenAi = 49408;

    [TestMethod]
    [DataRow("""{"model_type": "clip", "text_config": {"eos_token_id": 7, "vocab_size": 97}}""", "7", DisplayName = "its own id")]
    [DataRow("""{"model_type": "metaclip_2", "text_config": {"eos_token_id": 2, "vocab_size": 97}}""", "2", DisplayName = "MetaCLIP 2 means its 2")]
    [DataRow("""{"model_type": "clip", "text_config": {"eos_token_id": 2, "vocab_size": 97}}""", "96", DisplayName = "CLIP's 2 is the highest id of the row")]
    [DataRow("""{"model_type": "clip", "text_config": {"vocab_size": 97}}""", "96", DisplayName = "so is none")]
    [DataRow("""{"model_type": "clip", "text_config": {"eos_token_id": 2}}""", "49407", DisplayName = "OpenAI's vocabulary ends in its end token")]
    [DataRow("""{"model_type": "clip", "text_config": {"eos_token_id": 2, "vocab_size": 49410}}""", "49407", DisplayName = "tokens added behind it change nothing")]
    public void ATextIsReadAtItsFirstEndToken(string config, string end)
    {
        using var scope = NewDisposeScope();
        long id = long.Parse(end, System.Globalization.CultureInfo.InvariantCulture);
        EndOfText found = EndOfText.Of(HfConfig.Parse(config, "config.json"));
        // What fills rows up may be the end token, or 0; tokens behind OpenAI's are no end.
        long added = id == OpenAi - 1 ? OpenAi + 1 : 5;
        Tensor ids = tensor(new[] { 0, added, id, id, id, 0, 3, 4, 6, id, id, 0, 0, 0, 0 }, [3, 5], ScalarType.Int64, CPU);
        CollectionAssert.AreEqual(new long[] { 2, 4, 0 }, found.Find(ids).Indices(3, 5, CPU).data<long>().ToArray());
    }

    [TestMethod]
    [DataRow("""{"model_type": "clip", "text_config": {"eos_token_id": 7, "vocab_size": 97}}""", "the id 7")]
    [DataRow("""{"model_type": "clip", "text_config": {"eos_token_id": 2}}""", "the id 49407")]
    public void ATextWithoutOneIsAnError(string config, string says)
    {
        using var scope = NewDisposeScope();
        EndOfText found = EndOfText.Of(HfConfig.Parse(config, "config.json"));
        Tensor ids = tensor(new long[] { 0, 3, 49407, 7, 0, 3, 4, 5 }, [2, 4], ScalarType.Int64, CPU);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => found.Find(ids)).Message;
        Assert.Contains("Text 1 of the batch", message);
        Assert.Contains(says, message);
    }
}
