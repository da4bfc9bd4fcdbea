using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>
/// Texts whose blanks are filled one after another. What stands around the blanks is read once; each blank is written in a session of its own, behind
/// the pieces that fill those before it.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="head">Its head over the vocabulary.</param>
/// <param name="contexts">The texts with their blanks, which outlive this.</param>
/// <param name="context">The call, from a lease: which adapter writes each row.</param>
internal sealed class BlankTexts(PretrainedModel model, Head head, Batch contexts, ForwardContext context) : IDisposable
{
    private readonly TextModel _model = model.As<TextModel>();
    private readonly int _layers = model.As<IFillsBlanks>().LayerCount;
    private readonly KeyValueCache _cache = new(model.As<IFillsBlanks>().LayerCount);
    private Row[] _rows = Rows(model, contexts, context);

    /// <summary>Goes on with the given rows.</summary>
    public void Keep(long[] rows)
    {
        using var noGradient = inference_mode();
        _cache.Keep(rows);
        _rows = Array.ConvertAll(rows, row => _rows[row]);
    }

    /// <summary>Opens a session that writes one blank of each row; what it reads first is the token that pieces begin with.</summary>
    /// <param name="blanks">The position of each row's blank among its tokens.</param>
    public IDecodingSession Open(IReadOnlyList<int> blanks)
    {
        _rows = [.. _rows.Zip(blanks, (row, blank) => row with { Blank = row.Shift + blank })];
        return new Session(this, head, context);
    }

    /// <summary>Says what was written into the blanks: the tokens that later pieces are to see.</summary>
    public void Add(IReadOnlyList<int[]> pieces) =>
        _rows = [.. _rows.Zip(pieces, (row, piece) => row with { Unread = piece, Filled = row.Blank })];

    public void Dispose() => _cache.Dispose();

    private static Row[] Rows(PretrainedModel model, Batch contexts, ForwardContext context)
    {
        int count = (int)contexts.Ids.size(0);
        string?[] adapters = context.Rows?.Names ?? [.. Enumerable.Repeat(context.Adapter, count)];
        return Array.ConvertAll(adapters, name => new Row(name, model.Sites.AddedPositions(new ForwardContext { Adapter = name }), 0, [], 0));
    }

    /// <summary>Reads the contexts, if that is still to do, then what was written last, and the first token of the next pieces.</summary>
    private Tensor Begin(Tensor starts, ForwardContext step)
    {
        ForwardContext cached = step with { Cache = _cache };
        if (_cache.Length == 0)
            _model.Forward(contexts, PositionSelection.First, cached).Dispose();
        long[] start = starts.cpu().data<long>().ToArray();
        int width = _rows.Max(row => row.Unread.Length) + 1;
        var cells = new Cell[_rows.Length * width];
        for (int i = 0; i < _rows.Length; i++)
        {
            Row row = _rows[i];
            int at = ((i + 1) * width) - row.Unread.Length - 1;
            // The piece's first token, which is read already, was the first of its positions.
            for (int token = 0; token < row.Unread.Length; token++)
                cells[at++] = new Cell(row.Unread[token], row.Filled, token + 2);
            cells[at] = new Cell(start[i], row.Blank, 1);
        }
        Tensor Of(Func<Cell, long> of) => tensor(Array.ConvertAll(cells, cell => of(cell)), [_rows.Length, width], ScalarType.Int64, starts.device);
        Tensor blocks = Of(cell => cell.Block);
        return _model.Forward(new Batch
        {
            Ids = Of(cell => cell.Id), PositionIds = Of(cell => cell.Place), BlockPositionIds = blocks, Examples = [],
            Mask = Array.TrueForAll(cells, cell => cell.Block > 0) ? null : blocks.gt(0),
        }, PositionSelection.Last, cached);
    }

    /// <summary>A row: whose adapter writes it, the virtual positions before it, its blank, and the piece that is not read yet with the blank that it fills.</summary>
    private sealed record Row(string? Adapter, long Shift, long Blank, int[] Unread, long Filled);

    private readonly record struct Cell(long Id, long Place, long Block);

    private sealed class Session : DecodingSession
    {
        private readonly BlankTexts _texts;
        private long[] _blanks;
        private long _read;

        public Session(BlankTexts texts, Head head, ForwardContext context) : base(texts._model, head, texts._layers, context)
        {
            _texts = texts;
            _blanks = Array.ConvertAll(texts._rows, row => row.Blank);
            Adapters = Array.ConvertAll(texts._rows, row => row.Adapter);
        }

        public override void Keep(long[] rows)
        {
            base.Keep(rows);
            _blanks = Array.ConvertAll(rows, row => _blanks[row]);
        }

        protected override Tensor Forward(Batch batch, ForwardContext step)
        {
            _read++;
            if (_read > 1)
                return _texts._model.Forward(Placed(batch.Ids), PositionSelection.Last, step);
            Tensor hidden = _texts.Begin(batch.Ids, step);
            Cache.Dispose();
            // A search changes the rows of its cache as it likes.
            Cache = KeyValueCache.Join([_texts._cache]);
            return hidden;
        }

        private Batch Placed(Tensor ids) => new()
        {
            Ids = ids, PositionIds = tensor(_blanks, [_blanks.Length, 1], ScalarType.Int64, ids.device), BlockPositionIds = full_like(ids, _read), Examples = [],
        };
    }
}
