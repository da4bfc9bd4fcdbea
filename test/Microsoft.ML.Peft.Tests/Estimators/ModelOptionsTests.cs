using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class ModelOptionsTests
{
    [TestMethod]
    public void TheSameModelHasEverySettingOfAModel()
    {
        var options = new TextEmbedder.Options
        {
            BaseModel = "model", TokenizerFolder = "tokenizer", MaxLength = 7, ScoringBatchSize = 3, EmbedBase = false,
            Quantization = new QuantizationOptions(), GpuDeviceId = 2, FallbackToCpu = true,
        };
        var plain = new TextEmbedder.Options();
        TextEmbedder.Options other = options.WithSameModel(new TextEmbedder.Options());
        foreach (PropertyInfo setting in typeof(ModelOptions).GetProperties())
        {
            // One that this test forgot would be equal by chance.
            Assert.AreNotEqual(setting.GetValue(plain), setting.GetValue(options), setting.Name);
            Assert.AreEqual(setting.GetValue(options), setting.GetValue(other), setting.Name);
        }
    }

    [TestMethod]
    public void ATokenizerOfTextsMayLieElsewhere()
    {
        using var bert = new TinyBert();
        using var elsewhere = new ScratchFolder();
        var context = TestDevice.NewContext(seed: 1);
        IDataView rows = Review.Load(context);
        float[][] beside = Embed(null);
        foreach (string file in Directory.GetFiles(bert.Folder).Where(file => Path.GetFileName(file) is not ("config.json" or "model.safetensors")))
            File.Move(file, Path.Combine(elsewhere.Root, Path.GetFileName(file)));
        Assert.Contains(nameof(ModelOptions.TokenizerFolder), Assert.ThrowsExactly<InvalidDataException>(() => Embed(null)).Message);
        float[][] found = Embed(elsewhere.Root);
        for (int i = 0; i < beside.Length; i++)
            CollectionAssert.AreEqual(beside[i], found[i], $"row {i}");

        float[][] Embed(string? tokenizer)
        {
            using PeftTransformer model = context.Peft().Embed(new TextEmbedder.Options { BaseModel = bert.Folder, TokenizerFolder = tokenizer }).Fit(rows);
            return [.. model.Transform(rows).GetColumn<float[]>("Embedding")];
        }
    }
}
