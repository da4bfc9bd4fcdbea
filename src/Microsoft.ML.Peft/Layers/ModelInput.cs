using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What enters a model's layers. B: rows, S: positions, those that tuners added included.</summary>
internal sealed record ModelInput
{
    /// <summary>Token ids [B, S], int64; null once a tuner has rewritten the rows.</summary>
    public required Tensor? Ids { get; init; }

    /// <summary>The tokens' vectors [B, S, width].</summary>
    public required Tensor Embeddings { get; init; }

    /// <summary>True where a position is real [B, S]; null when all are.</summary>
    public Tensor? Mask { get; init; }

    /// <summary>No row is padded but at its end.</summary>
    public bool PadsEnd { get; init; }

    /// <summary>Segments [B, S], int64; null where all are 0.</summary>
    public Tensor? TypeIds { get; init; }

    /// <summary>The text of each of a packed row's own tokens [B, tokens]; null where each row is one text.</summary>
    public Tensor? Texts { get; init; }

    /// <summary>The place of each position within its row, or within its text where rows are packed [B or 1, S], int64; null for 0, 1, 2, ...</summary>
    public Tensor? Places { get; init; }

    /// <summary>The place of each position within the piece that fills a blank, 0 for the context's [B, S], int64; null where all are 0.</summary>
    public Tensor? Blocks { get; init; }

    /// <summary>How many of a row's first positions every position sees, those of tuners included [B], int64; null where the model alone says who sees whom.</summary>
    public Tensor? Context { get; init; }

    /// <summary>Of a packed row, where the context of each position's text ends, all of which it sees [B, S], int64; null where rows are no such.</summary>
    public Tensor? ContextEnds { get; init; }

    /// <summary>Places of virtual tokens in each row [B, V], int64, which a tuner has to fill; null where rows have none.</summary>
    public Tensor? Gaps { get; init; }

    /// <summary>What the last layer computes.</summary>
    public required PositionSelection Rows { get; init; }

    /// <summary>B</summary>
    public long Count => Embeddings.size(0);

    /// <summary>S</summary>
    public long Length => Embeddings.size(1);

    public Device Device => Embeddings.device;

    /// <summary>[B or 1, S]: <see cref="Places"/>, written out.</summary>
    public Tensor PlacesOrRange() => Places ?? arange(0, Length, ScalarType.Int64, Device).unsqueeze(0);

    /// <summary>Takes vectors in: at the places that the rows keep for them, before every row where these keep none.</summary>
    /// <param name="vectors">[N, width]</param>
    /// <param name="movesFirst">Whether who reads the first token reads it behind them too; else the first position is then the first vector.</param>
    /// <exception cref="InvalidOperationException">The rows have another number of places.</exception>
    public ModelInput With(Tensor vectors, bool movesFirst = false) => Gaps is { } gaps ? Filled(vectors, gaps) : Behind(vectors, movesFirst);

    private ModelInput Filled(Tensor vectors, Tensor gaps)
    {
        if (gaps.size(1) != vectors.size(0))
            throw new InvalidOperationException($"The rows keep {gaps.size(1)} places for virtual tokens, and the adapter has {vectors.size(0)}.");
        Tensor places = gaps.unsqueeze(-1).expand(-1, -1, vectors.size(1));
        return this with
        {
            Ids = null,
            Embeddings = Embeddings.scatter(1, places, vectors.unsqueeze(0).expand(Count, -1, -1)),
            Gaps = null,
        };
    }

    private ModelInput Behind(Tensor vectors, bool movesFirst)
    {
        // They see what follows as a context's tokens do, and there are several.
        if (ContextEnds is not null)
            throw new NotSupportedException("Virtual tokens before a row read its context, and a packed row of blanked texts has several: leave packTexts off.");
        long count = vectors.size(0);
        return this with
        {
            Ids = null,
            Embeddings = cat([vectors.unsqueeze(0).expand(Count, -1, -1), Embeddings], 1),
            Mask = Mask is null ? null : cat([ones([Count, count], ScalarType.Bool, Device), Mask], 1),
            TypeIds = TypeIds is null ? null : cat([zeros([Count, count], ScalarType.Int64, Device), TypeIds], 1),
            Places = Places is null ? null : cat([arange(0, count, ScalarType.Int64, Device).unsqueeze(0).expand(Places.size(0), -1), Places + count], 1),
            Blocks = Blocks is null ? null : cat([zeros([Count, count], ScalarType.Int64, Device), Blocks], 1),
            Context = Context?.add(count),
            Rows = Rows.Behind(count, movesFirst),
        };
    }

    /// <summary>Hides columns before every row, so that rows of several lengths end together.</summary>
    public ModelInput PaddedTo(long length)
    {
        long count = length - Length;
        if (count == 0)
            return this;
        Tensor places = PlacesOrRange();
        return Behind(zeros([count, Embeddings.size(2)], Embeddings.dtype, Device), movesFirst: false) with
        {
            Mask = cat([zeros([Count, count], ScalarType.Bool, Device), Mask ?? ones([Count, Length], ScalarType.Bool, Device)], 1),
            Places = cat([zeros([places.size(0), count], ScalarType.Int64, Device), places], 1),
            PadsEnd = false,
            Rows = PositionSelection.At(Rows.Indices(Count, Length, Device) + count),
        };
    }
}
