using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Microsoft.ML.Peft.Generation;

/// <summary>
/// Carries text from the thread that generates it to whoever reads. Dispose scopes and <c>no_grad</c> are a thread's own:
/// generation stays on one thread from beginning to end, and no await or yield stands inside it.
/// </summary>
/// <typeparam name="T">What it carries: a bit of text, with what belongs to it.</typeparam>
/// <param name="generate">Writes pieces until it is done or told to stop.</param>
internal sealed class TextChannel<T>(Action<Action<T>, CancellationToken> generate)
{
    public async IAsyncEnumerable<T> ReadAsync([EnumeratorCancellation] CancellationToken token = default)
    {
        var channel = Channel.CreateUnbounded<T>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(token);
        Task writing = Task.Run(() => Write(channel.Writer, stop.Token), CancellationToken.None);
        try
        {
            await foreach (T piece in channel.Reader.ReadAllAsync(token).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            // A reader that goes away early ends the writing, and the session is free when this returns.
            await stop.CancelAsync().ConfigureAwait(false);
            await writing.ConfigureAwait(false);
        }
    }

    private void Write(ChannelWriter<T> writer, CancellationToken stop)
    {
        try
        {
            stop.ThrowIfCancellationRequested();
            generate(piece => writer.TryWrite(piece), stop);
            writer.Complete();
        }
        catch (Exception failure)
        {
            writer.Complete(failure);
        }
    }
}
