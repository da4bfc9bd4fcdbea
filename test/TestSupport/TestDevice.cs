using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>
/// Where the tests compute: on the CPU, or on the CUDA device whose number <c>PEFT_TEST_GPU</c> gives. Expectations and
/// tolerances are the same.
/// </summary>
public static class TestDevice
{
    private const string Variable = "PEFT_TEST_GPU";

    public static int? GpuId { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } id ? int.Parse(id, CultureInfo.InvariantCulture) : null;

    public static Device Device { get; } = GpuId is { } id ? Found(id) : CPU;

    /// <summary>An application's context on that device; one that is asked for and absent is a failure.</summary>
    public static MLContext NewContext(int? seed = null)
    {
        var context = new MLContext(seed);
        if (GpuId is { } id)
            (context.GpuDeviceId, context.FallbackToCpu) = (id, false);
        return context;
    }

    private static Device Found(int id) => cuda.is_available() && id < cuda.device_count()
        ? device(DeviceType.CUDA, id)
        : throw new InvalidOperationException($"{Variable} is {id}, but this process sees no such CUDA device.");
}
