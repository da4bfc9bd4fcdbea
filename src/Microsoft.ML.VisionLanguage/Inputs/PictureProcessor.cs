using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.VisionLanguage.Images;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Inputs;

/// <summary>Pictures, and texts beside them where there is a tokenizer. Pictures are decoded, resized and normalised batch by batch.</summary>
internal sealed class PictureProcessor : InputProcessor
{
    private readonly PictureSettings _settings;
    private readonly TextProcessor? _texts;

    private PictureProcessor(byte[] settings, TextProcessor? texts, string description)
    {
        (_settings, _texts) = (PictureSettings.Parse(settings, description), texts);
        Files = new Dictionary<string, byte[]>(texts?.Files ?? new Dictionary<string, byte[]>(), StringComparer.Ordinal) { [PictureSettings.FileName] = settings };
    }

    public override IReadOnlyDictionary<string, byte[]> Files { get; }

    public override TextTokenizer? TokenizerOrNull => _texts?.Tokenizer;

    /// <summary>What a model's folder says of pictures, and of texts where these are wanted.</summary>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">A file is malformed.</exception>
    public static PictureProcessor Load(string folder, bool withTexts)
    {
        string file = Path.Combine(folder, PictureSettings.FileName);
        if (!File.Exists(file))
            throw new FileNotFoundException($"{folder}: expected a {PictureSettings.FileName}, found none.", file);
        return new PictureProcessor(File.ReadAllBytes(file), withTexts ? TextProcessor.Load(folder) : null, file);
    }

    /// <summary>The same from files that were saved.</summary>
    /// <exception cref="InvalidDataException">The settings are missing or malformed.</exception>
    public static PictureProcessor Of(IReadOnlyDictionary<string, byte[]> files)
    {
        if (!files.TryGetValue(PictureSettings.FileName, out byte[]? settings))
            throw new InvalidDataException($"The archive's inputs are pictures, and it has no {PictureSettings.FileName}.");
        var others = files.Where(file => file.Key != PictureSettings.FileName).ToDictionary(StringComparer.Ordinal);
        return new PictureProcessor(settings, others.Count == 0 ? null : TextProcessor.Of(others), $"the archive's {PictureSettings.FileName}");
    }

    public override Batch Collate(IReadOnlyList<Example> examples, Device device, bool withLabels)
    {
        var pixels = new float[examples.Count * _settings.Count];
        for (int i = 0; i < examples.Count; i++)
            _settings.Write(Picture.Decode(examples[i].Get(Fields.Picture)), pixels.AsSpan(i * _settings.Count, _settings.Count));
        Batch batch = base.Collate(examples, device, withLabels);
        using var scope = NewDisposeScope();
        batch.Pixels = from_array(pixels, device: device).view(examples.Count, Picture.Channels, _settings.Height, _settings.Width).DetachFromDisposeScope();
        return batch;
    }
}
