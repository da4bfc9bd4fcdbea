using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>What the first values of A and B depend on.</summary>
/// <param name="Weight">Gives the matrix [out, in], in the caller's scope.</param>
/// <param name="Outputs">out</param>
/// <param name="Inputs">in</param>
/// <param name="Rank">The rank of the update.</param>
/// <param name="Scale">Its scale.</param>
/// <param name="Iterations">Power iterations of an approximate decomposition; null for an exact one.</param>
/// <param name="Generator">The source of chance.</param>
internal sealed record StartRequest(
    Func<Tensor> Weight, long Outputs, long Inputs, int Rank, double Scale, int? Iterations, Generator Generator)
{
    public Device Device => Generator.device;
}

/// <summary>The first values of LoRA's matrices, A [rank, in] and B [out, rank], by the name of the method.</summary>
internal static class StartValues
{
    private static readonly Dictionary<LoraStart, Func<StartRequest, (Tensor A, Tensor B)>> Methods = new()
    {
        [LoraStart.Uniform] = Uniform,
        [LoraStart.Gaussian] = Gaussian,
        [LoraStart.Pissa] = Pissa,
        [LoraStart.Olora] = Olora,
        // What is not quantized has lost nothing.
        [LoraStart.Loftq] = Uniform,
    };

    /// <summary>Whether the update is no longer zero at the start, so that the weight has to give way.</summary>
    public static bool TakesFromWeight(LoraStart start) => start is LoraStart.Pissa or LoraStart.Olora;

    /// <exception cref="ArgumentException">The rank is larger than the matrix allows.</exception>
    public static (Tensor A, Tensor B) Of(LoraStart start, StartRequest request)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        (Tensor a, Tensor b) = Methods[start](request);
        return (a.contiguous().DetachFromDisposeScope(), b.contiguous().DetachFromDisposeScope());
    }

    /// <summary>Values for what is about to be read.</summary>
    public static (Tensor A, Tensor B) Blank(StartRequest request) =>
        (zeros([request.Rank, request.Inputs], ScalarType.Float32, request.Device), Zero(request));

    /// <summary>The largest singular parts of a matrix as an update s·B·A, their roots shared by A and B; in the caller's scope.</summary>
    public static (Tensor A, Tensor B) LargestParts((Tensor U, Tensor S, Tensor V) parts, StartRequest request)
    {
        Tensor root = (parts.S.narrow(0, 0, request.Rank) / request.Scale).sqrt();
        return (root.unsqueeze(1) * parts.V.narrow(0, 0, request.Rank), parts.U.narrow(1, 0, request.Rank) * root);
    }

    /// <summary>The matrix in single precision; in the caller's scope.</summary>
    /// <exception cref="ArgumentException">The rank is larger than the matrix allows.</exception>
    public static Tensor Matrix(StartRequest request)
    {
        if (request.Rank > Math.Min(request.Outputs, request.Inputs))
        {
            throw new ArgumentException(
                $"{nameof(LoraOptions.Rank)} {request.Rank} is larger than a matrix of {request.Outputs} × {request.Inputs} can start from.");
        }
        return request.Weight().to(ScalarType.Float32);
    }

    // Kaiming's uniform start with a = √5, as PEFT's: ±1/√in. B starts at 0, so the update does too.
    private static (Tensor A, Tensor B) Uniform(StartRequest request)
    {
        double bound = 1 / Math.Sqrt(request.Inputs);
        return (rand([request.Rank, request.Inputs], ScalarType.Float32, request.Device, generator: request.Generator).mul_(2 * bound).sub_(bound), Zero(request));
    }

    private static (Tensor A, Tensor B) Gaussian(StartRequest request) =>
        (normal(0, 1.0 / request.Rank, [request.Rank, request.Inputs], ScalarType.Float32, request.Device, generator: request.Generator), Zero(request));

    private static (Tensor A, Tensor B) Pissa(StartRequest request) => LargestParts(
        request.Iterations is { } iterations
            ? Approximate(Matrix(request), request.Rank, iterations, request.Generator)
            : linalg.svd(Matrix(request), fullMatrices: false),
        request);

    private static (Tensor A, Tensor B) Olora(StartRequest request)
    {
        (Tensor q, Tensor r) = linalg.qr(Matrix(request));
        return (r.narrow(0, 0, request.Rank), q.narrow(1, 0, request.Rank));
    }

    // Randomized subspace iteration (Halko et al. 2009): a basis of the largest parts, then an exact decomposition inside it.
    private static (Tensor U, Tensor S, Tensor V) Approximate(Tensor matrix, int rank, int iterations, Generator generator)
    {
        Tensor basis = Basis(matrix.mm(normal(0, 1, [matrix.size(1), rank], ScalarType.Float32, matrix.device, generator: generator)));
        for (int i = 0; i < iterations; i++)
            basis = Basis(matrix.mm(Basis(matrix.t().mm(basis))));
        (Tensor u, Tensor s, Tensor v) = linalg.svd(basis.t().mm(matrix), fullMatrices: false);
        return (basis.mm(u), s, v);
    }

    private static Tensor Basis(Tensor matrix) => linalg.qr(matrix).Q;

    private static Tensor Zero(StartRequest request) => zeros([request.Outputs, request.Rank], ScalarType.Float32, request.Device);
}
