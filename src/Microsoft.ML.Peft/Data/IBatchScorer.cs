namespace Microsoft.ML.Peft.Data;

/// <summary>Scoring as the data views need it: rows read one by one, predictions made in batches.</summary>
/// <typeparam name="TPart">What the model sees at once: a row, or a part of one (a window of a long text).</typeparam>
/// <typeparam name="TPrediction">What is made of it.</typeparam>
internal interface IBatchScorer<TPart, TPrediction>
{
    /// <summary>The columns that it reads of data that has these.</summary>
    IReadOnlyList<string> InputColumns(DataViewSchema schema);

    IReadOnlyList<OutputColumn<TPrediction>> Outputs { get; }

    /// <summary>Parts in a batch.</summary>
    int BatchSize { get; }

    /// <summary>A reader over a row's getters, for whatever row is current: its parts, at least one.</summary>
    Func<IReadOnlyList<TPart>> CreateReader(DataViewRow row);

    /// <summary>What a part costs; batches are made of parts alike.</summary>
    int LengthOf(TPart part);

    /// <summary>Bytes that a part takes while it waits.</summary>
    long SizeOf(TPart part);

    /// <summary>What keeps the values of a column of rows that are read ahead; null for what keeps any column's.</summary>
    ColumnBuffer? CreateBuffer(DataViewRow row, DataViewSchema.Column column);

    /// <summary>Begins to predict: what is made of the rows on other threads. The model runs when it is finished.</summary>
    /// <returns>One prediction for each part, in their order; <see cref="ObjectDisposedException"/> where the model is gone.</returns>
    Pending<IReadOnlyList<TPrediction>> Begin(IReadOnlyList<TPart> parts);

    /// <summary>Called when the last row was scored, or nobody wants the rest: what came up with the rows goes to the log.</summary>
    void Ended();

    /// <summary>The prediction of a row of several parts.</summary>
    TPrediction Join(IReadOnlyList<TPrediction> parts);

    /// <summary>Keeps the model alive for a row that outlives the transformer's own use of it.</summary>
    IDisposable Hold();
}
