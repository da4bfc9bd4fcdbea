using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>Prompts of different length on their way into a session.</summary>
internal static class Prompts
{
    /// <summary>When each of the rows ends.</summary>
    /// <exception cref="ArgumentException">A prompt is empty, or leaves no room; the message has its number and both lengths.</exception>
    public static EndRule[] Check(IReadOnlyList<int[]> prompts, GenerationSettings settings, int positions) =>
        [.. prompts.Select((prompt, row) => new EndRule(settings, Room(prompt.Length, row, settings, positions)))];

    /// <summary>Reads them in one batch, padded on the left, and makes so many rows of each.</summary>
    /// <returns>[B · times, V]</returns>
    public static Tensor Read(IDecodingSession session, IReadOnlyList<int[]> prompts, int times)
    {
        using var scope = NewDisposeScope();
        int width = prompts.Max(prompt => prompt.Length);
        long[] ids = new long[prompts.Count * width];
        bool[] real = new bool[ids.Length];
        for (int row = 0; row < prompts.Count; row++)
        {
            int start = (row + 1) * width - prompts[row].Length;
            for (int i = 0; i < prompts[row].Length; i++)
                (ids[start + i], real[start + i]) = (prompts[row][i], true);
        }
        long[] shape = [prompts.Count, width];
        Tensor? mask = Array.IndexOf(real, false) < 0 ? null : tensor(real, shape, ScalarType.Bool, CPU);
        Tensor logits = session.Read(tensor(ids, shape, ScalarType.Int64, CPU), mask);
        if (times > 1)
        {
            session.Keep([.. Enumerable.Range(0, prompts.Count * times).Select(row => (long)(row / times))]);
            logits = logits.repeat_interleave(times, 0);
        }
        return logits.MoveToOuterDisposeScope();
    }

    private static int Room(int length, int row, GenerationSettings settings, int positions)
    {
        if (length == 0)
            throw new ArgumentException($"Prompt {row} is empty: a model that writes needs at least one token to begin with.");
        if (length >= positions)
            throw new ArgumentException($"Prompt {row} has {length} tokens and the model {positions} positions for it, which leaves no room for a new token.");
        int room = settings.Room(length, positions);
        return room > 0 ? room : throw new ArgumentException($"Prompt {row} has {length} tokens, and {nameof(settings.MaxLength)} is {settings.MaxLength}: no room for a new token.");
    }
}
