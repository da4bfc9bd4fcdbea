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

/// <summary>A decoder that chats: its host, how it reads, and how it wants to generate. It may be a transformer's, which then owns it.</summary>
internal sealed class ChatModel : IDisposable
{
    private readonly ModelHost _host;
    private readonly bool _owned;
    private readonly ChatFormat _voice;
    // Of adapters that bring a tokenizer.
    private readonly Dictionary<string, ChatFormat> _voices = new(StringComparer.Ordinal);

    private ChatModel(ModelHost host, bool owned, ChatFormat voice, GenerationOptions folder) =>
        (_host, _owned, _voice, Folder) = (host, owned, voice, folder);

    /// <summary>How the model's folder wants it to generate.</summary>
    public GenerationOptions Folder { get; }

    public IReadOnlyCollection<string> Adapters => [.. _host.All.Select(adapter => adapter.Name)];

    private PretrainedModel Model => _host.Model.Model;

    /// <summary>Opens a model's folder or .gguf file, with adapters.</summary>
    public static ChatModel Open(string folder, PeftChatClientOptions options)
    {
        Device device = new PeftHost(new MLContext(), nameof(PeftChatClient)).ChooseDevice(options.GpuDeviceId, options.FallbackToCpu);
        using IDisposable modes = Gradients.AsByDefault();
        ModelPath.Check(folder, "model");
        var voice = new ChatFormat(TextTokenizer.Load(folder), Given(options));
        PretrainedModel opened = BaseModels.Open(folder, device, seed: 0);
        ModelHost host = Failure.Disposes(opened, () =>
        {
            BaseModels.CheckVocabulary(opened, voice.Tokenizer);
            Head head = opened.As<IContinuesTexts>().CreateLanguageModelHead();
            return head.Parameters is [var missing, ..]
                ? throw new InvalidDataException($"{folder}: '{missing.Name}' is missing, without which the model cannot write.")
                : ModelHost.Of(opened, head, nameof(PeftChatClient));
        });
        return Failure.Disposes(host, () =>
        {
            host.Limit.MaxConcurrentForwards = options.MaxConcurrentForwards;
            var model = new ChatModel(host, owned: true, voice, GenerationConfigFile.Load(folder, opened.Config));
            foreach (var (name, path) in Folders(options))
                model.Add(name, path, options.AllowOtherBase);
            return model;
        });
    }

    /// <summary>Takes a transformer's model, which stays the transformer's.</summary>
    public static ChatModel Of(PeftTransformer transformer, PeftChatClientOptions options)
    {
        Scorer scorer = transformer.Scorer;
        scorer.Host.Check();
        if (scorer.Task.Task.PeftTaskType != "CAUSAL_LM")
            throw new NotSupportedException($"The transformer's task is '{scorer.Task.Task.Key}': a chat needs a model that learnt to go on with what it reads.");
        if (options.MaxConcurrentForwards is not null)
            throw new ArgumentException($"{nameof(options.MaxConcurrentForwards)} is set, but the model is a transformer's: set it there.");
        if (Folders(options).Any())
            throw new ArgumentException("Adapters are named in the options, but a transformer brings its own: open the base's folder to add others.");
        GenerationOptions generation = (scorer.Task.Task as GenerationTask)?.FolderGeneration
            ?? GenerationConfigFile.Parse(transformer.GenerationConfig, GenerationConfigFile.FileName, scorer.Model.Model.Config);
        return new ChatModel(scorer.Host, owned: false, new ChatFormat(scorer.Task.Tokenizer, Given(options)), generation);
    }

    /// <exception cref="ArgumentException">There is no such adapter.</exception>
    /// <exception cref="ObjectDisposedException">The client or its transformer was disposed.</exception>
    public ChatFormat VoiceOf(AdapterChoice adapter)
    {
        _host.Check();
        string? name = adapter.IsActive ? _host.Active?.Name : adapter.Name;
        if (name is null)
            return _voice;
        return _host.Has(name) ? _voices.GetValueOrDefault(name, _voice) : throw new ArgumentException(
            $"There is no adapter '{name}'; known are {(Adapters.Count == 0 ? "none" : string.Join(", ", Adapters.Select(known => $"'{known}'")))}.");
    }

    /// <summary>The positions that the model has for a chat, without those of an adapter's virtual tokens.</summary>
    public int MaxLengthUnder(AdapterChoice adapter)
    {
        PeftAdapter? chosen = adapter.IsActive ? _host.Active : _host.All.FirstOrDefault(known => known.Name == adapter.Name);
        return Model.As<IReadsTokens>().MaxLength - (chosen?.Settings.AddedPositions ?? 0);
    }

    /// <summary>Begins a request's answer; waits while the base changes.</summary>
    /// <inheritdoc cref="ModelHost.Enter" path="/exception"/>
    public ModelLease Enter(AdapterChoice adapter) => _host.Enter(adapter);

    /// <summary>The same without waiting: null while the base changes.</summary>
    /// <inheritdoc cref="ModelHost.Enter" path="/exception"/>
    public ModelLease? TryEnter(AdapterChoice adapter) => _host.TryEnter(adapter);

    public IJoinableSession Open(ModelLease lease) => Model.As<IContinuesTexts>().Open(lease.Model.Head, lease.Context());

    public void Dispose()
    {
        if (_owned)
            _host.Dispose();
    }

    // The bare base answers too, and adapters may be many: none of them may change it.
    private void Add(string name, string path, bool allowOtherBase)
    {
        PeftAdapter added = _host.Add(name, replaced: null, key =>
        {
            using AdapterState adapter = AdapterFiles.Open(path, Model, allowOtherBase);
            return (TunedModelFactory.AddAdapter(_host.Model, adapter.Settings, adapter.Tensors, key), adapter.Settings);
        });
        if (TokenizerFolder.Has(path))
            _voices.Add(name, new ChatFormat(TextTokenizer.Load(path), _voice.GivenTemplate));
        if (name == ForwardContext.DefaultAdapter)
            _host.Activate(added);
    }

    private static ChatTemplate? Given(PeftChatClientOptions options) => options.ChatTemplate is { } text ? ChatTemplate.Parse(text) : null;

    private static IEnumerable<(string Name, string Path)> Folders(PeftChatClientOptions options)
    {
        if (options.AdapterFolder is not { } folder)
            return options.Adapters.Select(adapter => (adapter.Key, adapter.Value));
        return options.Adapters.ContainsKey(ForwardContext.DefaultAdapter)
            ? throw new ArgumentException($"{nameof(options.AdapterFolder)} and {nameof(options.Adapters)}['{ForwardContext.DefaultAdapter}'] are both set; set one.")
            : options.Adapters.Select(adapter => (adapter.Key, adapter.Value)).Prepend((ForwardContext.DefaultAdapter, folder));
    }
}
