using System.Globalization;

namespace RealModels.Tests.EndToEnd;

/// <summary>The seeds that a table is made of.</summary>
internal static class Seeds
{
    /// <summary>Those that <c>PEFT_SEEDS</c> names (such as <c>1</c> or <c>2,3</c>).</summary>
    /// <param name="usual">Where it names none.</param>
    public static IEnumerable<int> Asked(string usual = "1,2,3") =>
        (Environment.GetEnvironmentVariable("PEFT_SEEDS") ?? usual).Split(',').Select(seed => int.Parse(seed, CultureInfo.InvariantCulture));
}
