using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Holds the places that a pattern keeps for virtual tokens against the tuner that is to fill them.</summary>
internal static class VirtualPlaces
{
    /// <exception cref="ArgumentException">The method fills no places, or another number of them.</exception>
    public static void Check(TaskRuntime task, TunerOptions tuner)
    {
        int places = task.VirtualTokens;
        if (places == 0)
            return;
        if (tuner is not InputVectorOptions { Count: var count })
            throw new ArgumentException($"The pattern keeps {places} places for virtual tokens, and '{tuner.Key}' fills none: prompt tuning and P-tuning do.");
        if (count != places)
            throw new ArgumentException($"The pattern keeps {places} places for virtual tokens, and {nameof(InputVectorOptions.VirtualTokens)} is {count}: they must be as many.", nameof(InputVectorOptions.VirtualTokens));
    }
}
