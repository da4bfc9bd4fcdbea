using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Chat;

[TestClass]
public sealed class ClipEmbeddingGeneratorTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();
    private readonly PictureRow[] _rows = [.. PictureRow.Some(5)];

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    private IDataView Data => _context.Data.LoadFromEnumerable(_rows);

    private DataContent[] Pictures => [.. _rows.Select(row => new DataContent(row.Image, "image/png"))];

    [TestMethod]
    public async Task VectorsAreTheTransformers()
    {
        ITransformer pictures = _context.VisionLanguage().ClipImageEmbedder(_clip.Folder, batchSize: 2).Fit(Data), texts = _context.VisionLanguage().ClipTextEmbedder(_clip.Folder).Fit(Data);
        using var _ = (IDisposable)pictures;
        using var __ = (IDisposable)texts;
        using ClipImageEmbeddingGenerator ofPictures = pictures.AsImageEmbeddingGenerator(), opened = ClipEmbeddingGenerators.ForImages(new() { BaseModel = _clip.Folder });
        using PeftEmbeddingGenerator ofTexts = texts.AsTextEmbeddingGenerator(), openedTexts = ClipEmbeddingGenerators.ForTexts(new() { BaseModel = _clip.Folder });
        foreach (var generator in new[] { ofPictures, opened })
        {
            AreClose(pictures, await generator.GenerateAsync(Pictures));
            Assert.AreEqual(TinyClip.Width, generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions);
        }
        foreach (var generator in new[] { ofTexts, openedTexts })
        {
            GeneratedEmbeddings<Embedding<float>> found = await generator.GenerateAsync(_rows.Select(row => row.Text));
            AreClose(texts, found);
            Assert.IsGreaterThan(0L, found.Usage!.InputTokenCount!.Value);
        }
    }

    [TestMethod]
    public async Task WhatIsNoPictureIsNamed()
    {
        using ClipImageEmbeddingGenerator generator = ClipEmbeddingGenerators.ForImages(new() { BaseModel = _clip.Folder });
        async Task<string> Failure(DataContent content) =>
            (await Assert.ThrowsExactlyAsync<ArgumentException>(() => generator.GenerateAsync([Pictures[0], content]))).Message;

        Assert.Contains("Picture 1 of 2 is null", await Failure(null!));
        Assert.Contains("Picture 1 of 2 has the media type 'text/plain'", await Failure(new DataContent("abc"u8.ToArray(), "text/plain")));
        Assert.Contains("Picture 1 of 2 is empty", await Failure(new DataContent(Array.Empty<byte>(), "image/png")));
        Assert.Contains("Dimensions is 3", (await Assert.ThrowsExactlyAsync<ArgumentException>(() => generator.GenerateAsync(Pictures, new() { Dimensions = 3 }))).Message);
        await Assert.ThrowsAsync<OperationCanceledException>(() => generator.GenerateAsync(Pictures, null, new CancellationToken(true)));
        Assert.HasCount(0, await generator.GenerateAsync([]));
    }

    [TestMethod]
    public async Task ALongTextIsNamed()
    {
        using PeftEmbeddingGenerator generator = ClipEmbeddingGenerators.ForTexts(new() { BaseModel = _clip.Folder });
        string[] texts = ["red", "red green blue red green blue red green blue"];
        Assert.Contains("The text 1 of 2 has 11 tokens", (await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => generator.GenerateAsync(texts))).Message);
    }

    [TestMethod]
    public void EachNeedsItsOwnTower()
    {
        ITransformer texts = _context.VisionLanguage().ClipTextEmbedder(_clip.Folder).Fit(Data), pictures = _context.VisionLanguage().ClipImageEmbedder(_clip.Folder).Fit(Data);
        using var _ = (IDisposable)texts;
        Assert.Contains("embeds pictures", Assert.ThrowsExactly<NotSupportedException>(() => texts.AsImageEmbeddingGenerator()).Message);
        Assert.Contains("embeds texts", Assert.ThrowsExactly<NotSupportedException>(() => pictures.AsTextEmbeddingGenerator()).Message);
        Assert.Contains("none that embeds", Assert.ThrowsExactly<NotSupportedException>(() => _context.Transforms.CopyColumns("A", "Text").Fit(Data).AsImageEmbeddingGenerator()).Message);
        ((IDisposable)pictures).Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => pictures.AsImageEmbeddingGenerator());
    }

    [TestMethod]
    public async Task OneCallRegistersBoth()
    {
        using ServiceProvider services = new ServiceCollection().AddClipEmbeddingGenerators(_clip.Folder).BuildServiceProvider();
        Assert.HasCount(5, await services.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>().GenerateAsync(Pictures));
        Assert.HasCount(1, await services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GenerateAsync(["red"]));
    }

    private void AreClose(ITransformer transformer, GeneratedEmbeddings<Embedding<float>> found)
    {
        float[][] expected = [.. transformer.Transform(Data).GetColumn<float[]>("Embedding")];
        Assert.HasCount(expected.Length, found);
        for (int row = 0; row < expected.Length; row++)
        {
            for (int i = 0; i < expected[row].Length; i++)
                Assert.AreEqual(expected[row][i], found[row].Vector.Span[i], 1e-5);
        }
    }
}
