using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Generation;

[TestClass]
public sealed class DecoderSessionMemoryTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void AThousandTokensOfARealDecoderKeepNoTensor(int beams)
    {
        using var folder = new TinyDecoder(change: config => config["max_position_embeddings"] = 1200);
        using HostedModel model = HostedModel.Decoder(folder.Folder);
        var options = new GenerationOptions { MaxNewTokens = 1000, NumBeams = beams, RepetitionPenalty = 1.1, NoRepeatNgramSize = 4, EosTokenIds = [] };
        long before = LiveTensors.Settled();
        using (var session = new Watched(model.Open()))
        {
            var found = TextGenerator.Generate(session, [[70, 71, 72], [73]], GenerationSettings.Resolve(options));
            Assert.IsTrue(found.All(row => row[0].Ids.Length == 1000));
            Assert.AreEqual(session.Counts[99], session.Counts[^1], "live tensors");
        }
        Assert.AreEqual(before, Tensor.TotalCount, "live tensors after the session");
    }

    /// <summary>Notes how many tensors are alive at each step.</summary>
    private sealed class Watched(IDecodingSession session) : IDecodingSession
    {
        public List<long> Counts { get; } = [];

        public int Rows => session.Rows;

        public int MaxLength => session.MaxLength;

        public Tensor Read(Tensor ids, Tensor? mask) => session.Read(ids, mask);

        public Tensor Next(long[] ids)
        {
            Counts.Add(Tensor.TotalCount);
            return session.Next(ids);
        }

        public void Keep(long[] rows) => session.Keep(rows);

        public void Dispose() => session.Dispose();
    }
}
