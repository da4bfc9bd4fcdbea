using System.Globalization;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Hosting;

/// <summary>What an estimator or a transformer asks of its <see cref="MLContext"/>: a device, a seed, a log, a sign to stop.</summary>
internal sealed class PeftHost
{
    private readonly IHost _host;

    public PeftHost(IHostEnvironment environment, string name)
    {
        MlNetInternals.Check();
        LibTorch.Check();
        AllocatorSwitch.Apply();
        (Environment, Name) = (environment, name);
        _host = environment.Register(name);
    }

    public IHostEnvironment Environment { get; }

    public string Name { get; }

    /// <summary>The context's seed; null where it has none.</summary>
    public long? Seed => (Environment as IHostEnvironmentInternal)?.Seed;

    /// <summary>The context's seed, or one that is drawn now: another at each call.</summary>
    public long NewSeed() => Seed ?? _host.Rand.Next();

    /// <summary>Whether the context's execution was cancelled.</summary>
    public bool IsCanceled => _host is ICancelable { IsCanceled: true };

    /// <summary>Chooses and logs the device: a GPU where the caller or the context names one, else the CPU.</summary>
    /// <param name="gpuDeviceId">The caller's choice; null for the context's.</param>
    /// <param name="fallbackToCpu">The caller's choice; null for the context's.</param>
    /// <exception cref="InvalidOperationException">The GPU is not there and falling back is not allowed.</exception>
    public Device ChooseDevice(int? gpuDeviceId = null, bool? fallbackToCpu = null)
    {
        var context = Environment as IHostEnvironmentInternal;
        Device device = Choose(gpuDeviceId ?? context?.GpuDeviceId, fallbackToCpu ?? context?.FallbackToCpu ?? true);
        Info($"Device: {device}.");
        return device;
    }

    public void Info(string message)
    {
        using IChannel channel = _host.Start(Name);
        channel.Info(MessageSensitivity.Unknown, message);
    }

    public void Warning(string message)
    {
        using IChannel channel = _host.Start(Name);
        channel.Warning(MessageSensitivity.Unknown, message);
    }

    /// <summary>A channel for the messages of a whole run.</summary>
    public IChannel StartChannel() => _host.Start(Name);

    /// <summary>A channel for ML.NET's progress trackers.</summary>
    public IProgressChannel StartProgress() => _host.StartProgressChannel(Name);

    /// <summary>The environment behind a catalog such as <c>mlContext.MulticlassClassification.Trainers</c>.</summary>
    public static IHostEnvironment EnvironmentOf(object catalog) => ((Microsoft.ML.Data.IInternalCatalog)catalog).Environment;

    private Device Choose(int? gpu, bool fallback)
    {
        if (gpu is not { } id)
            return CPU;
        int found = cuda.is_available() ? cuda.device_count() : 0;
        if (id >= 0 && id < found)
            return device(DeviceType.CUDA, id);
        string problem = string.Create(CultureInfo.InvariantCulture, $"GpuDeviceId is {id}, but this process sees {found} CUDA devices");
        if (!fallback)
            throw new InvalidOperationException($"{problem}, and FallbackToCpu is false.");
        Warning($"{problem}: running on the CPU.");
        return CPU;
    }
}
