using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Chat;

/// <summary>A decoder that chats: its head, its adapters, and how it wants to generate. It may be a transformer's, which then owns it.</summary>
internal sealed class ChatModel : IDisposable
{
    private readonly Func<IDisposable> _enter;
    private readonly IDisposable? _owned;
    private readonly DecoderModel _model;
    private readonly Head _head;
    private readonly Dictionary<string, ChatVoice> _voices;
    private readonly ChatVoice _bare;

    private ChatModel(
        DecoderModel model, Head head, GenerationOptions folder, ChatVoice bare, IEnumerable<ChatVoice> voices, Func<IDisposable> enter, IDisposable? owned)
    {
        (_model, _head, Folder, _bare, _enter, _owned) = (model, head, folder, bare, enter, owned);
        _voices = voices.ToDictionary(voice => voice.Adapter!, StringComparer.Ordinal);
    }

    /// <summary>How the model's folder wants it to generate.</summary>
    public GenerationOptions Folder { get; }

    public int MaxLength => _model.MaxLength;

    /// <summary>The adapter of requests that name none; null for the bare base.</summary>
    public string? UsualAdapter => _voices.ContainsKey(ForwardContext.DefaultAdapter) ? ForwardContext.DefaultAdapter : null;

    public IReadOnlyCollection<string> Adapters => _voices.Keys;

    /// <summary>Opens a model's folder or .gguf file, with adapters.</summary>
    public static ChatModel Open(string folder, PeftChatClientOptions options)
    {
        Device device = new PeftHost(new MLContext(), nameof(PeftChatClient)).ChooseDevice(options.GpuDeviceId, options.FallbackToCpu);
        using IDisposable modes = Gradients.AsByDefault();
        ChatTemplate? template = Given(options);
        ModelPath.Check(folder, "model");
        TextTokenizer tokenizer = TextTokenizer.Load(folder);
        PretrainedModel opened = BaseModels.Open(folder, device, seed: 0);
        var owned = new Owned(opened);
        return Failure.Disposes(owned, () =>
        {
            DecoderModel model = Decoder(opened);
            BaseModels.CheckVocabulary(model, tokenizer);
            Head head = model.CreateLanguageModelHead();
            if (head.Parameters is [var missing, ..])
                throw new InvalidDataException($"{folder}: '{missing.Name}' is missing, without which the model cannot write.");
            ChatVoice[] voices = [.. Folders(options).Select(adapter =>
            {
                owned.Tuners.Add(Attach(adapter.Name, adapter.Path, options.AllowOtherBase, model, head));
                return new ChatVoice(adapter.Name, TokenizerFolder.Has(adapter.Path) ? TextTokenizer.Load(adapter.Path) : tokenizer, template);
            })];
            var lifetime = new ModelLifetime(owned, nameof(PeftChatClient));
            GenerationOptions generation = GenerationConfigFile.Load(folder, model.Config);
            return new ChatModel(model, head, generation, new ChatVoice(null, tokenizer, template), voices, lifetime.Enter, lifetime);
        });
    }

    /// <summary>Takes a transformer's model, which stays the transformer's.</summary>
    public static ChatModel Of(PeftTransformer transformer, PeftChatClientOptions options)
    {
        Scorer scorer = transformer.Scorer;
        scorer.Check();
        if (scorer.Task.Task.PeftTaskType != "CAUSAL_LM")
            throw new NotSupportedException($"The transformer's task is '{scorer.Task.Task.Key}': a chat needs a model that learnt to write.");
        if (Folders(options).Any())
            throw new ArgumentException("Adapters are named in the options, but a transformer brings its own: open the base's folder to add others.");
        var bare = new ChatVoice(null, scorer.Task.Tokenizer, Given(options));
        DecoderModel model = Decoder(scorer.Model.Model);
        GenerationOptions generation = (scorer.Task.Task as GenerationTask)?.FolderGeneration
            ?? GenerationConfigFile.Parse(transformer.GenerationConfig, GenerationConfigFile.FileName, model.Config);
        return new ChatModel(
            model, scorer.Model.Head, generation, bare, [bare with { Adapter = ForwardContext.DefaultAdapter }], scorer.Enter, owned: null);
    }

    /// <exception cref="ArgumentException">There is no such adapter.</exception>
    public ChatVoice VoiceOf(string? adapter) => adapter is null ? _bare
        : _voices.TryGetValue(adapter, out ChatVoice? voice) ? voice
        : throw new ArgumentException(
            $"There is no adapter '{adapter}'; known are {(_voices.Count == 0 ? "none" : string.Join(", ", _voices.Keys.Order(StringComparer.Ordinal).Select(name => $"'{name}'")))}.");

    /// <summary>Keeps the model for a request.</summary>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public IDisposable Enter() => _enter();

    public DecoderSession CreateSession(string? adapter) => new(_model, _head, adapter);

    public void Dispose() => _owned?.Dispose();

    private static DecoderModel Decoder(PretrainedModel model) => model as DecoderModel ?? throw new NotSupportedException(
        $"Architecture '{model.Config.ModelType}' reads texts and does not write them: a chat needs a decoder.");

    private static ChatTemplate? Given(PeftChatClientOptions options) => options.ChatTemplate is { } text ? ChatTemplate.Parse(text) : null;

    private static IEnumerable<(string Name, string Path)> Folders(PeftChatClientOptions options)
    {
        if (options.AdapterFolder is not { } folder)
            return options.Adapters.Select(adapter => (adapter.Key, adapter.Value));
        return options.Adapters.ContainsKey(ForwardContext.DefaultAdapter)
            ? throw new ArgumentException($"{nameof(options.AdapterFolder)} and {nameof(options.Adapters)}['{ForwardContext.DefaultAdapter}'] are both set; set one.")
            : options.Adapters.Select(adapter => (adapter.Key, adapter.Value)).Prepend((ForwardContext.DefaultAdapter, folder));
    }

    // The bare base answers too, and adapters may be many: none of them may change it.
    private static ITuner Attach(string name, string path, bool allowOtherBase, DecoderModel model, Head head)
    {
        using AdapterState adapter = AdapterFiles.Open(path, model, allowOtherBase);
        return TunedModelFactory.Attach(
            adapter.Settings, new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters, adapter.Tensors) { IsShared = true }, seed: 0, name);
    }

    private sealed class Owned(PretrainedModel model) : IDisposable
    {
        public List<ITuner> Tuners { get; } = [];

        public void Dispose()
        {
            Tuners.ForEach(tuner => tuner.Dispose());
            model.Dispose();
        }
    }
}
