using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A task whose pieces can be read while they are written.</summary>
internal interface IStreamsBlanks
{
    /// <summary>A text with blanks, as the model reads it.</summary>
    /// <exception cref="InvalidOperationException">It has no blank, is too long, or a blank stands inside a special token.</exception>
    /// <exception cref="ArgumentException">The task writes beams, of which nothing is sure before the end.</exception>
    Example ReadForStream(string text);

    /// <summary>Fills the blanks of one row.</summary>
    /// <param name="model">The model.</param>
    /// <param name="row">The row, from <see cref="ReadForStream"/>.</param>
    /// <param name="context">The call.</param>
    /// <param name="write">Is told of each bit of text as it comes, and of each blank's end.</param>
    /// <param name="token">Ends it before the next token.</param>
    void Stream(TunedModel model, Batch row, ForwardContext context, Action<BlankUpdate> write, CancellationToken token);
}
