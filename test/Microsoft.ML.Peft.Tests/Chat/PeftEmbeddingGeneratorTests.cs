using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Chat;

[TestClass]
public sealed class PeftEmbeddingGeneratorTests
{
    private static readonly string[] s_texts = ["good film", "a much longer and rather bad film", "good", ""];

    [TestMethod]
    public async Task VectorsAreTheTransformers()
    {
        using var bert = new TinyBert();
        using var decoder = new TinyDecoder();
        foreach (string folder in new[] { bert.Folder, decoder.Folder })
        {
            var ml = TestDevice.NewContext();
            IDataView data = ml.Data.LoadFromEnumerable(s_texts[..3].Select(text => new Line { Text = text }));
            using PeftTransformer transformer = ml.Peft().Embed(folder, batchSize: 2).Fit(data);
            float[][] expected = [.. ml.Data.CreateEnumerable<Embedded>(transformer.Transform(data), false).Select(row => row.Embedding)];
            using PeftEmbeddingGenerator ours = transformer.AsEmbeddingGenerator(), opened = new(folder);
            foreach (PeftEmbeddingGenerator generator in new[] { ours, opened })
            {
                GeneratedEmbeddings<Embedding<float>> found = await generator.GenerateAsync(s_texts[..3]);
                for (int i = 0; i < 3; i++)
                    Assert.IsTrue(expected[i].Zip(found[i].Vector.ToArray()).All(pair => Math.Abs(pair.First - pair.Second) < 1e-5), s_texts[i]);
                Assert.IsGreaterThan(0L, found.Usage!.InputTokenCount!.Value);
                Assert.AreEqual(expected[0].Length, generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions);
            }
        }
    }

    [TestMethod]
    public async Task WhatDoesNotFitIsRefused()
    {
        using var bert = new TinyBert();
        using var generator = new PeftEmbeddingGenerator(bert.Folder);
        async Task<string> Failure<T>(EmbeddingGenerationOptions options)
            where T : Exception => (await Assert.ThrowsExactlyAsync<T>(() => generator.GenerateAsync(s_texts, options))).Message;

        StringAssert.Contains(await Failure<ArgumentException>(new() { Dimensions = 3 }), "Dimensions is 3");
        StringAssert.Contains(await Failure<ArgumentException>(new() { ModelId = "other" }), "'other'");
        StringAssert.Contains(await Failure<NotSupportedException>(new() { AdditionalProperties = new() { ["input_type"] = "query" } }), "input_type");
        Assert.HasCount(0, await generator.GenerateAsync([]));
        await Assert.ThrowsAsync<OperationCanceledException>(() => generator.GenerateAsync(s_texts, null, new CancellationToken(true)));
    }

    [TestMethod]
    public async Task ItGoesWithItsTransformer()
    {
        using var bert = new TinyBert();
        PeftTransformer transformer = TestDevice.NewContext().Peft().Embed(bert.Folder).Fit(Review.Load(TestDevice.NewContext()));
        using PeftEmbeddingGenerator generator = transformer.AsEmbeddingGenerator();
        transformer.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => generator.GenerateAsync(s_texts));
        Assert.ThrowsExactly<ObjectDisposedException>(() => transformer.AsEmbeddingGenerator());
    }

    [TestMethod]
    public async Task OneCallRegistersIt()
    {
        using var bert = new TinyBert();
        using ServiceProvider services = new ServiceCollection().AddPeftEmbeddingGenerator(bert.Folder).BuildServiceProvider();
        var generator = services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.HasCount(2, await generator.GenerateAsync(s_texts[..2]));
    }

    private sealed class Line
    {
        public string Text { get; set; } = "";
    }

    private sealed class Embedded
    {
        public float[] Embedding { get; set; } = [];
    }
}
