namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>A kernel of PIL's, by the number that it has in <c>preprocessor_config.json</c>. It grows with what it shrinks.</summary>
/// <param name="Name">PIL's name.</param>
/// <param name="Support">How far it reaches, in pixels that are not shrunk; 0 for the one pixel that is nearest.</param>
/// <param name="Weight">The weight of a pixel at a distance.</param>
internal sealed record ResamplingKernel(string Name, double Support, Func<double, double> Weight)
{
    public const int BicubicNumber = 3;

    private const double LanczosLobes = 3;

    // By their numbers.
    private static readonly ResamplingKernel[] s_all =
    [
        new("nearest", 0, _ => 1), new("lanczos", LanczosLobes, Lanczos), new("bilinear", 1, x => Math.Max(0, 1 - Math.Abs(x))),
        new("bicubic", 2, Cubic), new("box", 0.5, x => x is > -0.5 and <= 0.5 ? 1 : 0), new("hamming", 1, Hamming),
    ];

    /// <summary>All of them, for errors.</summary>
    public static string Known => string.Join(", ", s_all.Select((kernel, number) => $"{number} ({kernel.Name})"));

    public static ResamplingKernel Bicubic => s_all[BicubicNumber];

    public static ResamplingKernel? Of(int number) => number >= 0 && number < s_all.Length ? s_all[number] : null;

    // Keys 1981.
    private static double Cubic(double x)
    {
        const double A = -0.5;
        return Math.Abs(x) switch
        {
            < 1 and var near => ((((A + 2) * near) - (A + 3)) * near * near) + 1,
            < 2 and var far => ((((far - 5) * far) + 8) * far - 4) * A,
            _ => 0,
        };
    }

    private static double Lanczos(double x) => x is >= -LanczosLobes and < LanczosLobes ? Sinc(x) * Sinc(x / LanczosLobes) : 0;

    // PIL's constants are floats.
    private static double Hamming(double x) => Math.Abs(x) switch
    {
        0 => 1,
        >= 1 => 0,
        var distance => Sinc(distance) * (0.54f + (0.46f * Math.Cos(distance * Math.PI))),
    };

    private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(x * Math.PI) / (x * Math.PI);
}
