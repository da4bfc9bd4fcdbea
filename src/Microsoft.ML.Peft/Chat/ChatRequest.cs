using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Chat;

/// <summary>One answer on its way. The scheduler's thread writes it, whoever asked reads it.</summary>
/// <param name="prompt">The conversation's tokens.</param>
/// <param name="row">What is written.</param>
/// <param name="settings">How tokens are chosen.</param>
/// <param name="adapter">Under which adapter.</param>
/// <param name="token">Ends it at the next token.</param>
internal sealed class ChatRequest(int[] prompt, GenerationRow row, GenerationSettings settings, AdapterChoice adapter, CancellationToken token)
{
    private readonly TokenChooser _chooser = new(settings);
    // As long as the answer at most: a slow reader holds up nobody.
    private readonly Channel<TextPiece> _pieces =
        Channel.CreateUnbounded<TextPiece>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private volatile bool _abandoned;
    private Exception? _failure;
    private ModelLease? _lease;

    public int[] Prompt => prompt;

    public AdapterChoice Adapter => adapter;

    /// <summary>Its hold on model and adapter, from its first forward pass until it leaves.</summary>
    public ModelLease Lease => _lease ?? throw new InvalidOperationException("The request has not begun.");

    /// <summary>Tokens written, once the answer is complete.</summary>
    public int Written => row.Tokens.GeneratedLength;

    /// <summary>The token that was written last.</summary>
    public int Last => row.Tokens.Ids[^1];

    /// <summary>Nobody waits for the answer any more.</summary>
    public bool IsCancelled => _abandoned || token.IsCancellationRequested;

    /// <summary>Nothing more is to be written.</summary>
    public bool IsDone => row.End is not null || _failure is not null || IsCancelled;

    /// <summary>Its first forward pass is about to run.</summary>
    public void Begin(ModelLease lease) => _lease = lease;

    /// <summary>Writes the next token. What fails here is this request's failure alone.</summary>
    /// <param name="logits">[1, V], which are gone afterwards.</param>
    public void Write(Tensor logits)
    {
        try
        {
            string text = row.Add((int)_chooser.Choose(logits, [row])[0]);
            if (text.Length > 0 || row.End is not null)
                _pieces.Writer.TryWrite(new TextPiece(text, row.End));
        }
        catch (Exception failure)
        {
            _failure = failure;
        }
    }

    /// <summary>Tells the reader that no more comes, and lets the model go.</summary>
    /// <param name="failure">Why, if the answer is not complete.</param>
    public void Leave(Exception? failure = null)
    {
        failure ??= _failure ?? (row.End is null ? new OperationCanceledException(token) : null);
        _lease?.Dispose();
        _pieces.Writer.TryComplete(failure);
    }

    /// <summary>The answer's pieces. A reader that goes away ends the writing.</summary>
    public async IAsyncEnumerable<TextPiece> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        try
        {
            await foreach (TextPiece piece in _pieces.Reader.ReadAllAsync(stop).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            _abandoned = true;
        }
    }
}
