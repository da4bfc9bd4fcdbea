using ClipSearch;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Microsoft.ML.VisionLanguage;
using Samples;

// dotnet run -c Release --project samples/ClipSearch -- --model models/clip-vit-base-patch32 --data pictures --index pictures.json --ask "two yellow flowers"
const int PicturesAtOnce = 64;

return await Arguments.Line.RunAsync(args, async values =>
{
    var arguments = new Arguments(values);
    using var texts = ClipEmbeddingGenerators.ForTexts(new() { BaseModel = arguments.Model });
    using var pictures = ClipEmbeddingGenerators.ForImages(new() { BaseModel = arguments.Model });
    using MemoryCollection collection = arguments.Index is { } file ? new FileCollection(file, texts, pictures) : new MemoryCollection(texts, pictures);

    IReadOnlyList<(string Path, string Label)> all = PictureFolder.Read(arguments.Data);
    Console.WriteLine($"{all.Count:N0} pictures, {await Add(collection, pictures, all):N0} of them new.");

    string[] asked = arguments.Ask is { } ask ? [ask] : arguments.Like is null ? [.. all.Select(picture => $"a photo of {picture.Label}").Distinct()] : [];
    foreach (string text in asked)
        await Show(collection, text, text, arguments.Count);
    if (arguments.Like is { } like)
        await Show(collection, Path.GetFileName(like), Content(like), arguments.Count);
});

static async Task<int> Add(MemoryCollection collection, ClipImageEmbeddingGenerator generator, IReadOnlyList<(string Path, string Label)> all)
{
    var fresh = new List<(string Path, string Label)>();
    foreach (var picture in all)
    {
        if (await collection.GetAsync(picture.Path) is null)
            fresh.Add(picture);
    }
    foreach (var some in fresh.Chunk(PicturesAtOnce))
    {
        GeneratedEmbeddings<Embedding<float>> vectors = await generator.GenerateAsync(some.Select(picture => Content(picture.Path)));
        await collection.UpsertAsync(some.Zip(vectors, (picture, vector) => new PictureRecord { Path = picture.Path, Label = picture.Label, Vector = vector.Vector.ToArray() }));
    }
    return fresh.Count;
}

static async Task Show<T>(MemoryCollection collection, string name, T query, int count)
    where T : notnull
{
    Console.WriteLine($"{name}:");
    await foreach (VectorSearchResult<PictureRecord> found in collection.SearchAsync(query, count))
        Console.WriteLine($"  {found.Score:F3} {found.Record.Label}/{Path.GetFileName(found.Record.Path)}");
}

static DataContent Content(string file) => new(File.ReadAllBytes(file), PictureFolder.MediaTypeOf(file));
