using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>
/// How positions are stretched, as config.json has it. Linear and YaRN scaling stand in the metadata; of LLaMA 3's, the file holds only
/// what came of it, a factor f(λ) for each wavelength λ: 1 for short ones, <c>factor</c> for long ones, and between them
/// 1/f = (1 - s)/factor + s with s = (context/λ - low)/(high - low). The settings are found again from these.
/// </summary>
internal static class RotaryScaling
{
    public const string Factors = "rope_freqs";

    private const string Weight = Factors + ".weight";
    private const double DefaultBase = 10000;
    // The factors are of single precision.
    private const double Tolerance = 1e-5;

    public static double Base(GgufSettings settings) => settings.OptionalNumber("rope.freq_base") ?? DefaultBase;

    /// <summary>The value of <c>rope_scaling</c>; null where positions are as they are.</summary>
    public static JsonObject? Of(GgufSettings settings, int headSize)
    {
        if (settings.File.Has(Weight))
            return Llama3(settings, headSize);
        double? factor = settings.OptionalNumber("rope.scaling.factor") ?? settings.OptionalNumber("rope.scale_linear");
        string type = settings.Text("rope.scaling.type") ?? "linear";
        return type switch
        {
            "none" => null,
            "linear" when factor is null or 1 => null,
            "linear" => new() { ["rope_type"] = type, ["factor"] = factor },
            "yarn" => new() { ["rope_type"] = type, ["factor"] = settings.Number("rope.scaling.factor"), ["original_max_position_embeddings"] = settings.Positive("rope.scaling.original_context_length") },
            _ => throw new NotSupportedException($"{settings.Description}: '{settings.Key("rope.scaling.type")}' is '{type}'; known are none, linear and yarn."),
        };
    }

    private static JsonObject? Llama3(GgufSettings settings, int headSize)
    {
        float[] factors = ReadFactors(settings.File);
        if (factors.Length != headSize / 2 || factors.Any(f => !(f >= 1 && float.IsFinite(f))))
            throw Malformed.Tensor(settings.Description, Weight, $"{headSize / 2} factors of at least 1", string.Join(", ", factors.Take(8)));
        if (factors.All(f => f == 1))
            return null;
        double theta = Base(settings);
        double[] wavelengths = [.. Enumerable.Range(0, factors.Length).Select(i => 2 * Math.PI * Math.Pow(theta, 2.0 * i / headSize))];
        // The converter's own numbers first: a short head leaves room for others.
        Llama3Settings usual = new(factors.Max(), 1, 4, settings.Integer("rope.scaling.original_context_length") ?? 8192);
        Llama3Settings found = usual.Fits(wavelengths, factors) ? usual : Llama3Settings.Solve(wavelengths, factors);
        return found.Fits(wavelengths, factors) ? found.ToJson() : throw new NotSupportedException(
            $"{settings.Description}: tensor '{Weight}': the factors are not those of LLaMA 3's scaling, the only one that is read.");
    }

    private static float[] ReadFactors(GgufFile file)
    {
        using Tensor stored = file.Read(Weight);
        using Tensor values = stored.to(ScalarType.Float32);
        return values.data<float>().ToArray();
    }

    private readonly record struct Llama3Settings(double Factor, double Low, double High, int Context)
    {
        public bool Fits(double[] wavelengths, float[] factors)
        {
            Llama3Settings self = this;
            return wavelengths.Zip(factors).All(pair => Math.Abs(self.At(pair.First) - pair.Second) <= Tolerance * pair.Second);
        }

        /// <summary>Only ratios of low, high and context matter: low is 1, and s is a line over 1/λ, drawn through its outermost points.</summary>
        public static Llama3Settings Solve(double[] wavelengths, float[] factors)
        {
            double factor = factors.Max();
            (double X, double S)[] between = [.. wavelengths.Zip(factors).Where(pair => pair.Second > 1 && pair.Second < factor)
                .Select(pair => (1 / pair.First, (1 / pair.Second - 1 / factor) / (1 - 1 / factor)))];
            if (between.Length < 2)
                return default;
            double slope = (between[0].S - between[^1].S) / (between[0].X - between[^1].X), start = between[0].S - slope * between[0].X;
            double high = Math.Round(1 - 1 / start, 3);
            double context = Math.Round(slope * (high - 1));
            return context is > 0 and < int.MaxValue ? new(factor, 1, high, (int)context) : default;
        }

        public JsonObject ToJson() => new()
        {
            ["rope_type"] = "llama3",
            ["factor"] = Factor,
            ["low_freq_factor"] = Low,
            ["high_freq_factor"] = High,
            ["original_max_position_embeddings"] = Context,
        };

        private double At(double wavelength)
        {
            double s = Math.Clamp((Context / wavelength - Low) / (High - Low), 0, 1);
            return 1 / ((1 - s) / Factor + s);
        }
    }
}
