using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>
/// A model that runs as everybody's does, under leases of its host: how tests and benchmarks of a whole model come to a context and to a
/// session.
/// </summary>
internal sealed class HostedModel(PretrainedModel model, Head head) : IDisposable
{
    private readonly List<ModelLease> _open = [];

    public ModelHost Host { get; } = ModelHost.Of(model, head, nameof(HostedModel));

    public PretrainedModel Model => model;

    public Head Head => head;

    /// <summary>A decoder with the head that writes.</summary>
    /// <param name="folder">Its folder or .gguf file.</param>
    /// <param name="quantization">How its matrices are kept; null for floats.</param>
    public static HostedModel Decoder(string folder, QuantizationOptions? quantization = null)
    {
        PretrainedModel model = BaseModels.Open(folder, CPU, seed: 1, quantization);
        return new HostedModel(model, model.As<ICausalLanguageModel>().CreateLanguageModelHead());
    }

    /// <summary>Attaches a new adapter.</summary>
    public PeftAdapter Attach(string name, TunerOptions options, long seed = 1) => Host.Add(name, replaced: null, key =>
    {
        ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters) { IsShared = true }, seed, key);
        return (tuner, options);
    });

    /// <summary>Makes a call.</summary>
    /// <param name="call">Runs the model.</param>
    /// <param name="adapters">The adapter of each row, or one for all; none for the bare base, as null is.</param>
    public T Run<T>(Func<ForwardContext, T> call, params string?[] adapters)
    {
        using ModelLease lease = Enter(adapters);
        return Run(lease, call);
    }

    /// <summary>Opens a session, whose lease ends with this.</summary>
    /// <param name="adapters">The adapter of each row, or one for all; none for the bare base, as null is.</param>
    public IJoinableSession Open(params string?[] adapters)
    {
        ModelLease lease = Enter(adapters);
        _open.Add(lease);
        return Run(lease, context => model.As<IContinuesTexts>().Open(head, context));
    }

    /// <summary>Opens a session of an encoder-decoder, whose lease ends with this.</summary>
    /// <param name="texts">What it writes from.</param>
    /// <param name="adapters">The adapter of each row, or one for all; none for the bare base, as null is.</param>
    public IDecodingSession Open(Batch texts, params string?[] adapters)
    {
        ModelLease lease = Enter(adapters);
        _open.Add(lease);
        return Run(lease, context => model.As<IWritesTexts>().Open(head, texts, context));
    }

    public void Dispose()
    {
        _open.ForEach(lease => lease.Dispose());
        Host.Dispose();
    }

    private ModelLease Enter(string?[] adapters) =>
        Host.Enter(adapters.Length == 0 ? [AdapterChoice.Bare] : Array.ConvertAll(adapters, name => name is null ? AdapterChoice.Bare : AdapterChoice.Named(name)));

    private static T Run<T>(ModelLease lease, Func<ForwardContext, T> call)
    {
        ForwardContext context = lease.Context();
        using AdapterRows? rows = context.Rows;
        return call(context);
    }
}
