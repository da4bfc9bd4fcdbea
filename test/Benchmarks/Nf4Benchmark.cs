using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>NF4 matrices of 4096 × 4096 in blocks of 64, so many in turn that none stays in the cache.</summary>
internal abstract class Nf4Benchmark(string name, int matrices) : IBenchmark
{
    protected const int Size = 4096, Block = 64;

    private const int Runs = 5;

    public string Name => name;

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor weight = randn(Size, Size);
        Blockwise4Bit[] packed = [.. Enumerable.Range(0, matrices).Select(_ => Blockwise4Bit.Quantize(weight, FourBitCode.Nf4, Block, nested: false, Name))];
        Measure(packed, gflops);
        foreach (Blockwise4Bit matrix in packed)
            matrix.Dispose();
    }

    protected abstract void Measure(Blockwise4Bit[] packed, double gflops);

    protected void Print(string part, double value, string unit, double? goal, double gflops) => new Figure(Name + part, value, unit, goal, null).Print(gflops);

    /// <summary>Seconds for one matrix.</summary>
    protected static double Time<T>(T[] matrices, Action<T> use)
    {
        void All()
        {
            using var scope = NewDisposeScope();
            foreach (T matrix in matrices)
                use(matrix);
        }
        All();
        return Figure.Median(Runs, All) / matrices.Length;
    }
}

/// <summary>
/// One token: bytes of packed weights a second, as a share of what the machine reads, and against torch's product over floats. The
/// same from a matrix that stays in the cache tells whether memory bounds it or the cores do.
/// </summary>
internal sealed class Nf4GemvBenchmark() : Nf4Benchmark("nf4-gemv", matrices: 24)
{
    // 4.5 MiB with its scales: in the third-level cache.
    private const int CachedRows = 2048, CachedColumns = 4096;

    protected override void Measure(Blockwise4Bit[] packed, double gflops)
    {
        Tensor input = randn(1, Size), floats = randn(64 << 20);
        double read = floats.numel() * sizeof(float) / Time([floats], x => x.sum()), seconds = Time(packed, matrix => matrix.Product(input, null));
        floats.Dispose();
        Tensor[] dense = [.. Enumerable.Range(0, 6).Select(_ => randn(Size, Size))];
        double torch = Time(dense, weight => input.mm(weight.t()));
        Print("", packed[0].Bytes / seconds / read, $"of {read / 1e9:F1} GB/s read", 0.85, gflops);
        Print("/time", seconds * 1e3, "ms", null, gflops);
        Print("/torch", torch / seconds, "times torch's f32 speed", 4, gflops);
        using Blockwise4Bit small = Blockwise4Bit.Quantize(randn(CachedRows, CachedColumns), FourBitCode.Nf4, Block, nested: false, Name);
        Tensor few = randn(1, CachedColumns);
        double cached = Time([.. Enumerable.Repeat(small, 24)], matrix => matrix.Product(few, null));
        Print("/from-cache", small.Bytes / cached / read, "of the memory's speed, all bytes in the cache: what the cores can do", null, gflops);
        Print("/int8", packed[0].Bytes / Time(packed, matrix => matrix.RoundedProduct(input, null)) / read, "of the memory's speed, inputs in 8 bits", null, gflops);
    }
}

/// <summary>256 tokens, or one, with inputs rounded to 8 bits: torch's time over floats divided by ours.</summary>
internal sealed class Nf4GemmInt8Benchmark() : Nf4Benchmark("nf4-gemm-int8", matrices: 8)
{
    protected override void Measure(Blockwise4Bit[] packed, double gflops)
    {
        Tensor[] dense = [.. packed.Select(matrix => matrix.Dequantize())];
        bool vnni = NativeMethods.GetBestIsa() >= 3;
        foreach (int tokens in new[] { 256, 64, 16, 1 })
        {
            Tensor input = randn(tokens, Size);
            double[][] seconds = [.. Enumerable.Range(0, 3).Select(_ => new[]
            {
                Time(dense, weight => input.mm(weight.t())), Time(packed, matrix => matrix.RoundedProduct(input, null)),
            })];
            Print(tokens == 256 ? "" : $"/{tokens}", seconds.Min(round => round[0]) / seconds.Min(round => round[1]), "of torch's f32 speed", tokens == 256 ? vnni ? 2.5 : 1.4 : null, gflops);
        }
    }
}

/// <summary>One token on AVX2 alone, beside the CPU's best instruction set.</summary>
internal sealed unsafe class Nf4GemvAvx2Benchmark() : Nf4Benchmark("nf4-gemv-avx2", matrices: 24)
{
    protected override void Measure(Blockwise4Bit[] packed, double gflops)
    {
        Tensor input = randn(1, Size), output = zeros(1, Size);
        double Floats(int isa) => Time(packed, matrix => NativeMethods.QuantizedProduct(isa, matrix.Call(), input, 1, output));
        double Rounded(int isa) => Time(packed, matrix => NativeMethods.QuantizedProductInt8(isa, matrix.Call(), input, 1, output));
        Print("", Floats(1) / Floats(NativeMethods.BestIsa), "times the best instruction set's time", 1.3, gflops);
        Print("/int8", Rounded(1) / Rounded(NativeMethods.BestIsa), "times the best instruction set's time, inputs rounded", 1.3, gflops);
    }
}

/// <summary>256 tokens: torch's time over floats divided by ours, forward and with the input's gradient.</summary>
internal sealed class Nf4GemmBenchmark() : Nf4Benchmark("nf4-gemm", matrices: 2)
{
    private const int Tokens = 256;

    protected override void Measure(Blockwise4Bit[] packed, double gflops)
    {
        Tensor input = randn(Tokens, Size), gradient = randn(Tokens, Size);
        Tensor[] dense = [.. packed.Select(matrix => matrix.Dequantize())];
        // In turns, for the machine's speed drifts.
        double[][] seconds = [.. Enumerable.Range(0, 3).Select(_ => new[]
        {
            Time(dense, weight => input.mm(weight.t())), Time(packed, matrix => matrix.Product(input, null)),
            Time(dense, weight => gradient.mm(weight)), Time(packed, matrix => matrix.InputGradient(gradient)),
        })];
        double[] best = [.. Enumerable.Range(0, 4).Select(part => seconds.Min(round => round[part]))];
        Print("", best[0] / best[1], "of torch's f32 speed, forward", 0.95, gflops);
        Print("/both", (best[0] + best[2]) / (best[1] + best[3]), "of torch's f32 speed, forward and gradient", 0.9, gflops);
        foreach (int tokens in new[] { 2, 4, 8, 16, 24, 32, 64 })
        {
            Tensor few = randn(tokens, Size);
            Print($"/{tokens}", Time(dense, weight => few.mm(weight.t())) / Time(packed, matrix => matrix.Product(few, null)), "of torch's f32 speed", null, gflops);
        }
    }
}

/// <summary>Unpacking, as a share of the speed of a plain write of the same floats.</summary>
internal sealed unsafe class Nf4DequantizeBenchmark() : Nf4Benchmark("nf4-dequantize", matrices: 4)
{
    protected override void Measure(Blockwise4Bit[] packed, double gflops)
    {
        Tensor[] results = [.. packed.Select(_ => zeros(Size, Size))];
        double write = Time(results, result => result.fill_(1));
        double seconds = Time([.. packed.Zip(results)], pair => NativeMethods.Dequantize(NativeMethods.BestIsa, pair.First.Call(), pair.Second));
        Print("", write / seconds, $"of {Size * Size * sizeof(float) / write / 1e9:F1} GB/s written", 0.8, gflops);
    }
}
