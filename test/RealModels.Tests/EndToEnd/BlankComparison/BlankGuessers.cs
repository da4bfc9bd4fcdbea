using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace RealModels.Tests.EndToEnd.BlankComparison;

/// <summary>A trained model that says what stands in a blank of a text.</summary>
internal abstract class BlankGuesser(TunedModel model, TextProcessor processor)
{
    private const int BatchSize = 64;

    protected BlankTokens Tokens { get; } = BlankTokens.Of(processor.Tokenizer);

    /// <summary>A row in which the model is asked for each token of a blank.</summary>
    /// <param name="text">The text, without marks.</param>
    /// <param name="blank">The blank.</param>
    /// <param name="piece">What it reads in it, where it reads what it has written: as long as the blank.</param>
    protected abstract Example Row(int[] text, Blank blank, int[] piece);

    /// <summary>What the tokens of blanks, all of one length, cost in nats, each given those before it in its blank where the model reads them.</summary>
    public float[][] Costs(IReadOnlyList<(int[] Text, Blank Blank)> items) => Read(
        [.. items.Select(item => Row(item.Text, item.Blank, Gold(item)))], (row, logits) => CostsOf(logits, Gold(items[row])));

    /// <summary>What the model writes into blanks, all of one length, the likeliest token first.</summary>
    public int[][] Write(IReadOnlyList<(int[] Text, Blank Blank)> items)
    {
        int[][] written = [.. items.Select(item => new int[item.Blank.Length])];
        for (int i = 0; i < items[0].Blank.Length; i++)
        {
            int place = i;
            int[] next = Read([.. items.Select((item, row) => Row(item.Text, item.Blank, written[row]))], (_, logits) => (int)logits[place].argmax().item<long>());
            for (int row = 0; row < next.Length; row++)
                written[row][place] = next[row];
        }
        return written;
    }

    /// <summary>Runs rows that read as many positions each.</summary>
    protected T[] Read<T>(IReadOnlyList<Example> rows, Func<int, Tensor, T> take)
    {
        using var noGrad = no_grad();
        var all = new List<T>();
        foreach (Example[] chunk in rows.Chunk(BatchSize))
        {
            using var scope = NewDisposeScope();
            using Batch batch = processor.Collate(chunk, TestDevice.Device, withLabels: false);
            Tensor logits = model.Forward(batch, ForwardContext.Inference);
            for (int i = 0; i < chunk.Length; i++)
                all.Add(take(all.Count, logits[i]));
        }
        return [.. all];
    }

    protected static float[] CostsOf(Tensor logits, int[] gold)
    {
        using var scope = NewDisposeScope();
        Tensor asked = tensor(gold, ScalarType.Int64, TestDevice.Device);
        return [.. nn.functional.cross_entropy(logits.narrow(0, 0, gold.Length), asked, reduction: nn.Reduction.None).cpu().data<float>()];
    }

    public static int[] Gold((int[] Text, Blank Blank) item) => item.Text[item.Blank.Start..item.Blank.End];
}

/// <summary>A guesser that can go on with a text.</summary>
internal abstract class TailGuesser(TunedModel model, TextProcessor processor) : BlankGuesser(model, processor)
{
    /// <summary>A row in which it is asked for each token from a place on to the mark of the text's end.</summary>
    protected abstract Example Tail(int[] text, int start);

    /// <summary>What the last half of each text costs, its end included.</summary>
    public (double Sum, int Count) TailCosts(IReadOnlyList<int[]> texts)
    {
        float[][] costs = [.. texts.SelectMany(text => Read([Tail(text, text.Length / 2)], (_, logits) => CostsOf(logits, [.. text[(text.Length / 2)..], Tokens.EndOfText])))];
        return (costs.Sum(row => row.Sum(cost => (double)cost)), costs.Sum(row => row.Length));
    }
}

/// <summary>GLM: one mask, however long the blank, and what it has written.</summary>
internal sealed class GlmGuesser(TunedModel model, TextProcessor processor) : TailGuesser(model, processor)
{
    protected override Example Row(int[] text, Blank blank, int[] piece)
    {
        int[] marked = Marked(text);
        piece.CopyTo(marked, blank.Start + 1);
        return Asked(BlankedText.Of(marked, [new Blank(blank.Start + 1, blank.End + 1)], Tokens.Mask, Tokens), blank.Length);
    }

    protected override Example Tail(int[] text, int start) =>
        Asked(BlankedText.Tail(Marked(text), text.Length - start + 1, Tokens.DocumentMask, Tokens), text.Length - start + 1);

    private int[] Marked(int[] text) => [Tokens.Cls, .. text, Tokens.EndOfText];

    private static Example Asked(BlankedText row, int count) => new Example { Ids = row.Tokens, ReadPositions = [.. Enumerable.Range(row.Separator, count)] }
        .With(Fields.Positions, row.Positions).With(Fields.BlockPositions, row.BlockPositions).With(Fields.ContextLength, [row.Separator]);
}

/// <summary>BERT: told the length, a mask for each token, each filled by itself.</summary>
internal sealed class MaskGuesser(TunedModel model, TextProcessor processor) : BlankGuesser(model, processor)
{
    protected override Example Row(int[] text, Blank blank, int[] piece)
    {
        int[] masked = [.. text];
        masked.AsSpan(blank.Start, blank.Length).Fill(Tokens.Mask);
        return new Example { Ids = masked, ReadPositions = [.. Enumerable.Range(blank.Start, blank.Length)] };
    }
}

/// <summary>From left to right: what stands before the blank, and what it has written.</summary>
internal sealed class LeftToRightGuesser(TunedModel model, TextProcessor processor) : TailGuesser(model, processor)
{
    protected override Example Row(int[] text, Blank blank, int[] piece) =>
        new() { Ids = [.. text[..blank.Start], .. piece], ReadPositions = [.. Enumerable.Range(blank.Start - 1, blank.Length)] };

    protected override Example Tail(int[] text, int start) =>
        new() { Ids = text, ReadPositions = [.. Enumerable.Range(start - 1, text.Length - start + 1)] };
}
