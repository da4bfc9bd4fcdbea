using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.VisionLanguage.Images;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Inputs;

/// <summary>
/// Pictures, and texts beside them where there is a tokenizer. Pictures are decoded, resized and normalised batch by batch, on the pool's
/// threads.
/// </summary>
internal sealed class PictureProcessor : InputProcessor
{
    private readonly PictureSettings _settings;
    private readonly PictureOptions _options;
    private readonly PictureReader _reader;
    private readonly TextProcessor? _texts;
    private readonly PictureNotes _notes = new();

    private PictureProcessor(byte[] settings, TextProcessor? texts, PictureOptions options, string description)
    {
        options.Validate();
        (_settings, _texts, Settings) = (PictureSettings.Parse(settings, description), texts, JsonSerializer.SerializeToNode(options)!.AsObject());
        // As they are now, whatever is set later.
        _options = Settings.Deserialize<PictureOptions>()!;
        _reader = new PictureReader(_options);
        Files = new Dictionary<string, byte[]>(texts?.Files ?? new Dictionary<string, byte[]>(), StringComparer.Ordinal) { [PictureSettings.FileName] = settings };
    }

    public override JsonObject Settings { get; }

    public override IReadOnlyDictionary<string, byte[]> Files { get; }

    public override TextTokenizer? TokenizerOrNull => _texts?.Tokenizer;

    /// <inheritdoc cref="PictureOptions.DropAlpha"/>
    public bool DropsAlpha => _options.DropAlpha;

    /// <summary>What a model's folder says of pictures.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="options">How pictures are read.</param>
    /// <param name="tokenizerFolder">The folder of the tokenizer of the texts beside them; null (the default) for none.</param>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">A file is malformed, or there is no tokenizer.</exception>
    public static PictureProcessor Load(string folder, PictureOptions options, string? tokenizerFolder = null)
    {
        var (settings, description) = CheckpointFolder.ReadFile(folder, PictureSettings.FileName) ?? throw new FileNotFoundException(
            $"{folder}: expected a {PictureSettings.FileName}, found none.", Path.Combine(folder, PictureSettings.FileName));
        return new PictureProcessor(settings, tokenizerFolder is null ? null : TextProcessor.Load(tokenizerFolder), options, description);
    }

    /// <summary>The same from settings and files that were saved.</summary>
    /// <exception cref="InvalidDataException">The settings are missing or malformed.</exception>
    public static PictureProcessor Of(JsonObject settings, IReadOnlyDictionary<string, byte[]> files)
    {
        if (!files.TryGetValue(PictureSettings.FileName, out byte[]? pictures))
            throw new InvalidDataException($"The archive's inputs are pictures, and it has no {PictureSettings.FileName}.");
        var others = files.Where(file => file.Key != PictureSettings.FileName).ToDictionary(StringComparer.Ordinal);
        return new PictureProcessor(pictures, others.Count == 0 ? null : TextProcessor.Of(others), OptionsOf(settings), $"the archive's {PictureSettings.FileName}");
    }

    /// <summary>Adds a picture to a row, once its header was looked at.</summary>
    /// <param name="example">The row.</param>
    /// <param name="source">Row, column and file, for errors.</param>
    /// <param name="load">Gives the encoded picture.</param>
    /// <param name="learns">Whether the row is for training.</param>
    /// <returns>
    /// The row; where the picture cannot be read and the options allow it, null for training, else the row with a picture of no bytes,
    /// whose pixels will be NaN.
    /// </returns>
    /// <exception cref="InvalidDataException">The picture cannot be read, and the options do not allow it.</exception>
    public Example? Add(Example example, string source, Func<PictureReader, byte[]> load, bool learns)
    {
        example = example.With(PictureFields.Source, source.ToCharArray());
        try
        {
            byte[] encoded = load(_reader);
            if (_reader.Check(encoded, source))
                _notes.Animated(source);
            // What may be left out is known before the first step.
            if (learns && _options.AllowUnreadable)
                _reader.Decode(encoded, source).Dispose();
            return example.With(Fields.Picture, encoded);
        }
        catch (InvalidDataException e) when (_options.AllowUnreadable)
        {
            _notes.Unreadable(e.Message);
            return learns ? null : example.With(Fields.Picture, []);
        }
    }

    public override IReadOnlyList<Example> Augment(IReadOnlyList<Example> examples, Random random) => _options.Augmentation is { } augmentation
        ? [.. examples.Select(example => example.With(PictureFields.Draw, PictureDraw.Of(augmentation, random).ToValues()))]
        : examples;

    public override ColumnBuffer? CreateBuffer(DataViewRow row, DataViewSchema.Column column) =>
        column.Type is ImageDataViewType ? new ImageBuffer(row.GetGetter<MLImage>(column)) : null;

    public override IEnumerable<string> TakeWarnings() => _notes.Take();

    public override Batch Collate(IReadOnlyList<Example> examples, Device device, bool withLabels)
    {
        using Pending<Batch> begun = Begin(examples, device, withLabels);
        return begun.Finish();
    }

    public override Pending<Batch> Begin(IReadOnlyList<Example> examples, Device device, bool withLabels)
    {
        // Something that a model made of the pictures may stand for them.
        if (!examples.Any(example => example.Has(Fields.Picture)))
            return new(() => base.Collate(examples, device, withLabels));
        Tensor pixels = empty([examples.Count, Picture.Channels, _settings.Height, _settings.Width], ScalarType.Float32, CPU).DetachFromDisposeScope();
        var work = new RowWork(examples.Count, row => Write(examples[row], MemoryMarshal.Cast<byte, float>(pixels.bytes).Slice(row * _settings.Count, _settings.Count)));
        return new Pending<Batch>(Finish, Abandon);

        Batch Finish()
        {
            work.Finish();
            Batch batch = base.Collate(examples, device, withLabels);
            using var scope = NewDisposeScope();
            batch.Pixels = pixels.to(device).alias().DetachFromDisposeScope();
            return batch;
        }

        void Abandon()
        {
            work.Dispose();
            pixels.Dispose();
        }
    }

    private void Write(Example example, Span<float> pixels)
    {
        byte[] encoded = example.Get(Fields.Picture);
        try
        {
            if (encoded.Length > 0)
            {
                using Picture picture = _reader.Decode(encoded, new string(example.Get(PictureFields.Source)));
                _settings.Write(picture, example.Get(PictureFields.Draw) is { Length: > 0 } draw ? PictureDraw.From(draw) : null, pixels);
                return;
            }
        }
        catch (InvalidDataException e) when (_options.AllowUnreadable)
        {
            _notes.Unreadable(e.Message);
        }
        pixels.Fill(float.NaN);
    }

    private static PictureOptions OptionsOf(JsonObject settings)
    {
        try
        {
            var options = settings.Deserialize<PictureOptions>()!;
            options.Validate();
            return options;
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw Malformed.File("The archive's settings of pictures", "those of " + nameof(PictureOptions), settings.ToJsonString(), e);
        }
    }
}
