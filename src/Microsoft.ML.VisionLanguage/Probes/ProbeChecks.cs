using System.Runtime.CompilerServices;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>Settings that probes share.</summary>
internal static class ProbeChecks
{
    /// <exception cref="ArgumentOutOfRangeException">C is not a positive number.</exception>
    public static void Strength(double? strength, [CallerArgumentExpression(nameof(strength))] string name = "")
    {
        // Written so that NaN fails.
        if (strength is { } given && !(given > 0 && double.IsFinite(given)))
            throw new ArgumentOutOfRangeException(name, given, $"{name} must be a positive number.");
    }
}
