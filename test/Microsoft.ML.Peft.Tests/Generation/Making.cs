using Microsoft.ML.Peft.Generation;

namespace Microsoft.ML.Peft.Tests.Generation;

/// <summary>Short ways to generate.</summary>
internal static class Making
{
    public static int[][] Ids(TableSession session, GenerationOptions options, params int[][] prompts) =>
        [.. TextGenerator.Generate(session, prompts, GenerationSettings.Resolve(options)).SelectMany(row => row.Select(s => s.Ids))];

    public static GeneratedSequence One(TableSession session, GenerationOptions options, params int[] prompt) =>
        TextGenerator.Generate(session, [prompt], GenerationSettings.Resolve(options))[0][0];

    /// <summary>Logits of all next tokens, decided by the seed and the row's tokens.</summary>
    public static float[] Random(IReadOnlyList<int> tokens, int vocabulary, long seed)
    {
        var random = new SplitMix64(seed, [.. tokens.Select(id => (long)id)]);
        return [.. Enumerable.Range(0, vocabulary).Select(_ => (random.NextSingle() * 6) - 3)];
    }
}
