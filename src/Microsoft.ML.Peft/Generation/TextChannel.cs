using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Microsoft.ML.Peft.Generation;

/// <summary>
/// Carries text from the thread that generates it to whoever reads. Dispose scopes and <c>no_grad</c> are a thread's own:
/// generation stays on one thread from beginning to end, and no await or yield stands inside it.
/// </summary>
/// <param name="generate">Writes pieces until it is done or told to stop.</param>
internal sealed class TextChannel(Action<Action<TextPiece>, CancellationToken> generate)
{
    public async IAsyncEnumerable<TextPiece> ReadAsync([EnumeratorCancellation] CancellationToken token = default)
    {
        var channel = Channel.CreateUnbounded<TextPiece>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(token);
        Task writing = Task.Run(() => Write(channel.Writer, stop.Token), CancellationToken.None);
        try
        {
            await foreach (TextPiece piece in channel.Reader.ReadAllAsync(token).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            // A reader that goes away early ends the writing, and the session is free when this returns.
            await stop.CancelAsync().ConfigureAwait(false);
            await writing.ConfigureAwait(false);
        }
    }

    private void Write(ChannelWriter<TextPiece> writer, CancellationToken stop)
    {
        try
        {
            stop.ThrowIfCancellationRequested();
            generate(piece => Pass(writer, piece), stop);
            writer.Complete();
        }
        catch (Exception failure)
        {
            writer.Complete(failure);
        }
    }

    private static void Pass(ChannelWriter<TextPiece> writer, TextPiece piece)
    {
        if (piece.Text.Length > 0 || piece.End is not null)
            writer.TryWrite(piece);
    }
}
