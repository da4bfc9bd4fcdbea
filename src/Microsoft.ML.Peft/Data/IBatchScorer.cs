namespace Microsoft.ML.Peft.Data;

/// <summary>Scoring as the data views need it: rows read one by one, predictions made in batches.</summary>
/// <typeparam name="TRow">What one row becomes before the model sees it.</typeparam>
internal interface IBatchScorer<TRow>
    where TRow : class
{
    IReadOnlyList<string> InputColumns { get; }

    IReadOnlyList<OutputColumn> Outputs { get; }

    int BatchSize { get; }

    /// <summary>A reader over a row's getters, for whatever row is current.</summary>
    Func<TRow> CreateReader(DataViewRow row);

    /// <summary>What a row costs; batches are made of rows alike.</summary>
    int LengthOf(TRow row);

    /// <summary>One prediction for each row, in their order.</summary>
    /// <exception cref="ObjectDisposedException">The model is gone.</exception>
    IReadOnlyList<object> Predict(IReadOnlyList<TRow> rows);

    /// <summary>Keeps the model alive for a row that outlives the transformer's own use of it.</summary>
    IDisposable Hold();
}
