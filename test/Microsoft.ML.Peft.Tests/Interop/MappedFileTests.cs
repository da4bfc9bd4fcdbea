using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.ChildProcess;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Interop;

[TestClass]
public sealed class MappedFileTests
{
    [TestMethod]
    public void AReadingKeepsTheBytesOfAFileThatWasClosed()
    {
        MappedFile file = MappedFile.CreateTemporary("test", 4096);
        using (MappedFile.Reading reading = file.Read())
        {
            file.Dispose();
            Assert.AreEqual(0, reading.Span(100, 8)[7]);
            Assert.ThrowsExactly<ObjectDisposedException>(() => file.Read());
            Assert.ThrowsExactly<ObjectDisposedException>(() => file.Bytes(0, 1));
            Assert.ThrowsExactly<ObjectDisposedException>(() => file.Tensor(0, ScalarType.Float32, [4]));
            Assert.ThrowsExactly<ObjectDisposedException>(() => file.Tensor(1, ScalarType.Float32, [4]), "a copy, as it is not aligned");
        }
    }

    [TestMethod]
    public void NothingIsReadAfterItsReadingEnded()
    {
        using MappedFile file = MappedFile.CreateTemporary("test", 4096);
        MappedFile.Reading reading = file.Read();
        reading.Dispose();
        reading.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => reading.Span(0, 1).Length);
        Assert.HasCount(16, file.Bytes(0, 16));
    }

    /// <summary>In a process of its own, which memory that is gone would end.</summary>
    [TestMethod]
    public void NothingCrashesThatIsClosedWhileItIsUsed()
    {
        using var bert = new TinyBert();
        string archive = Path.Combine(bert.Folder, "model.zip"), checkpoint = Path.Combine(bert.Folder, "model.safetensors");
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context, 8);
        using (PeftTransformer model = context.Peft().Lora(bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(data))
            context.Model.Save(model, data.Schema, archive);
        string[] done = Commands.Child.Run("stress", archive, checkpoint, "6");
        Assert.HasCount(4, done, string.Join(", ", done));
        foreach (string line in done)
            Assert.IsGreaterThan(1, int.Parse(line.Split(' ')[1]), line);
    }
}
