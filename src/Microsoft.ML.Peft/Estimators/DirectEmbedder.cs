using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>A transformer that embeds, asked for vectors by itself: no rows and columns between.</summary>
/// <typeparam name="TInput">What it embeds.</typeparam>
internal sealed class DirectEmbedder<TInput>
{
    private readonly Scorer<float[]> _scorer;
    private readonly IEmbeds<TInput> _task;

    /// <param name="transformer">The transformer, which goes on to belong to the caller.</param>
    /// <param name="inputs">What is to be embedded, for errors.</param>
    /// <exception cref="NotSupportedException">It embeds something else, or nothing.</exception>
    public DirectEmbedder(PeftTransformer transformer, string inputs)
    {
        transformer.Scorer.Host.Check();
        (_scorer, _task) = transformer.Scorer is Scorer<float[]> { Task: IEmbeds<TInput> task } scorer ? (scorer, task) : throw new NotSupportedException(
            $"The transformer's task is '{transformer.Scorer.Task.Task.Key}': embeddings need one that embeds {inputs}.");
    }

    /// <summary>The numbers of a vector.</summary>
    public int Width => _task.Width;

    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void Check() => _scorer.Host.Check();

    /// <summary>One vector for each input, made in batches of inputs alike in length.</summary>
    /// <param name="inputs">The inputs.</param>
    /// <param name="nameOf">What the input of a place is called, for errors.</param>
    /// <param name="token">Ends it between two batches.</param>
    /// <returns>The vectors, and how many tokens the model read.</returns>
    /// <exception cref="InvalidOperationException">The model cannot read an input; the message names it.</exception>
    public (float[][] Vectors, long Tokens) Embed(IReadOnlyList<TInput> inputs, Func<int, string> nameOf, CancellationToken token = default)
    {
        Example[][] rows = [.. inputs.Select((input, i) => new[] { _task.Encode(input, nameOf(i)) })];
        return (LengthOrder.Predict(_scorer, rows, token), rows.Sum(row => (long)row[0].Length));
    }
}
