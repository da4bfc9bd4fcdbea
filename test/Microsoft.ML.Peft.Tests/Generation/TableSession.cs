using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Generation;

/// <summary>A model that is a function of a row's tokens; it notes how many rows each step had.</summary>
internal sealed class TableSession(Func<IReadOnlyList<int>, float[]> logits, int maxLength = 1 << 20) : IDecodingSession
{
    private List<List<int>> _rows = [];

    public List<int> RowsRead { get; } = [];

    public int Rows => _rows.Count;

    public int MaxLength => maxLength;

    /// <summary>The last token alone decides: row <c>t</c> of the table has the logits after token <c>t</c>.</summary>
    public static TableSession Bigrams(float[][] table) => new(tokens => table[tokens[^1]]);

    /// <summary>Says a fixed text, one token after another, whatever the prompt; then its last token for ever.</summary>
    public static TableSession Saying(int vocabulary, int promptLength, params int[] text) => new(tokens =>
    {
        var scores = new float[vocabulary];
        scores[text[Math.Min(tokens.Count - promptLength, text.Length - 1)]] = 10;
        return scores;
    });

    public Tensor Read(Tensor ids, Tensor? mask)
    {
        long width = ids.shape[1];
        long[] values = ids.data<long>().ToArray();
        bool[] real = mask is null ? [.. values.Select(_ => true)] : mask.data<bool>().ToArray();
        if (_rows.Count == 0)
            _rows = [.. Enumerable.Range(0, (int)ids.shape[0]).Select(_ => new List<int>())];
        for (int i = 0; i < values.Length; i++)
        {
            if (real[i])
                _rows[(int)(i / width)].Add((int)values[i]);
        }
        return Logits();
    }

    public Tensor Next(long[] ids)
    {
        Assert.HasCount(_rows.Count, ids);
        for (int row = 0; row < ids.Length; row++)
            _rows[row].Add((int)ids[row]);
        return Logits();
    }

    public void Keep(long[] rows) => _rows = [.. rows.Select(row => _rows[(int)row].ToList())];

    public void Dispose()
    {
    }

    private Tensor Logits()
    {
        RowsRead.Add(_rows.Count);
        float[][] scores = [.. _rows.Select(row => logits(row))];
        return tensor(scores.SelectMany(s => s).ToArray(), [scores.Length, scores[0].Length]);
    }
}
