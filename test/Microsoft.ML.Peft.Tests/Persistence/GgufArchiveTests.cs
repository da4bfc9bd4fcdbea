using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tests.Checkpoints.Gguf;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>A model on a quantized base: trained, saved, loaded, saved again.</summary>
[TestClass]
public sealed class GgufArchiveTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _file = Path.GetTempFileName();

    [TestInitialize]
    public void Quantize()
    {
        ToGguf(Path.Combine(_bert.Folder, "model.safetensors"), Path.Combine(_bert.Folder, "model.gguf"));
        File.Delete(Path.Combine(_bert.Folder, "model.safetensors"));
        File.Delete(Path.Combine(_bert.Folder, "config.json"));
    }

    [TestCleanup]
    public void Delete()
    {
        if (Directory.Exists(_bert.Folder))
            _bert.Dispose();
        File.Delete(_file);
    }

    [TestMethod]
    public void TheFileItselfIsEmbedded()
    {
        byte[] gguf = File.ReadAllBytes(Path.Combine(_bert.Folder, "model.gguf"));
        var expected = Save(embed: true);
        _bert.Dispose();
        using (PeftTransformer loaded = Load())
        {
            Table.AreClose(expected, Scores(loaded), 0, "scores");
            _context.Model.Save(loaded, Review.Load(_context).Schema, _file);
        }
        using PeftTransformer again = Load();
        Table.AreClose(expected, Scores(again), 0, "scores of the second generation");
        using ZipArchive archive = ZipFile.OpenRead(_file);
        using Stream entry = archive.Entries.Single(e => e.Name == "base.gguf").Open();
        using var copy = new MemoryStream();
        entry.CopyTo(copy);
        CollectionAssert.AreEqual(gguf, copy.ToArray());
        Assert.IsFalse(archive.Entries.Any(e => e.Name == "base.safetensors"));
    }

    [TestMethod]
    public void AReferencedFileIsNotEmbedded()
    {
        var expected = Save(embed: false);
        using (PeftTransformer loaded = Load())
            Table.AreClose(expected, Scores(loaded), 0, "scores");
        using ZipArchive archive = ZipFile.OpenRead(_file);
        Assert.IsFalse(archive.Entries.Any(e => e.Name.StartsWith("base.", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void AnotherFileIsRefusedWithBothHashes()
    {
        string file = Path.Combine(_bert.Folder, "model.gguf");
        byte[] bytes = File.ReadAllBytes(file);
        var entry = new BaseEntry { Kind = BaseKind.Referenced, Folder = file, Sha256 = Convert.ToHexString(SHA256.HashData(bytes)) };
        BaseFolders.Acquire(entry, CPU).Dispose();
        bytes[^40] ^= 1;
        File.WriteAllBytes(file, bytes);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => BaseFolders.Acquire(entry, CPU)).Message;
        Assert.MatchesRegex("[0-9a-fA-F]{64}.*[0-9a-fA-F]{64}", message);
    }

    private IReadOnlyList<object> Save(bool embed)
    {
        using PeftTransformer model = _context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { MaxEpochs = 1, LearningRate = 1e-2 },
            EmbedBase = embed,
        }).Fit(Review.Load(_context));
        _context.Model.SaveAtomically(model, Review.Load(_context).Schema, _file);
        return Scores(model);
    }

    private IReadOnlyList<object> Scores(PeftTransformer model) => Table.Read(model.Transform(Review.Load(_context)), "Score");

    private PeftTransformer Load() => (PeftTransformer)_context.Model.Load(_file, out _);

    private static void ToGguf(string weights, string path)
    {
        using DisposeScope scope = NewDisposeScope();
        using SafetensorsFile source = SafetensorsFile.Open(weights);
        GgufBuilder file = new GgufBuilder().Set("general.architecture", "bert").Set("bert.block_count", 2u).Set("bert.context_length", 32u)
            .Set("bert.embedding_length", 16u).Set("bert.feed_forward_length", 32u).Set("bert.attention.head_count", 2u).Set("bert.attention.layer_norm_epsilon", 1e-12f);
        foreach (string name in source.Names.Where(name => !name.Contains("pooler")))
        {
            Tensor values = source.Read(name);
            string renamed = s_names.Aggregate(name, (current, pair) => current.Replace(pair.From, pair.To));
            _ = values.shape is [_, 32] ? file.AddQ8(renamed, values) : file.Add(renamed, values);
        }
        file.Write(path);
    }

    // As gguf-py's tensor_mapping.py has it.
    private static readonly (string From, string To)[] s_names =
    [
        ("bert.embeddings.word_embeddings", "token_embd"), ("bert.embeddings.token_type_embeddings", "token_types"),
        ("bert.embeddings.position_embeddings", "position_embd"), ("bert.embeddings.LayerNorm", "token_embd_norm"),
        ("bert.encoder.layer", "blk"), ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"), ("attention.self.value", "attn_v"),
        ("attention.output.dense", "attn_output"), ("attention.output.LayerNorm", "attn_output_norm"), ("intermediate.dense", "ffn_up"),
        ("output.dense", "ffn_down"), ("output.LayerNorm", "layer_output_norm"),
    ];
}
