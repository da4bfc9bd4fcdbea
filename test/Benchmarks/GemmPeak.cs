using System.Diagnostics;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>The machine's f32 matrix speed: best of three 2048³ products into an existing output.</summary>
internal static class GemmPeak
{
    public static double Gflops()
    {
        const int Size = 2048;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor a = rand(Size, Size), b = rand(Size, Size), c = a.mm(b);
        double best = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            long start = Stopwatch.GetTimestamp();
            c.addmm_(a, b, beta: 0, alpha: 1);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2.0 * Size * Size * Size / best / 1e9;
    }
}
