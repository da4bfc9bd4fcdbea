using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A task that makes vectors of single things, which may come from elsewhere than a row.</summary>
/// <typeparam name="TInput">A text, or a picture's bytes.</typeparam>
internal interface IEmbeds<in TInput>
{
    /// <summary>The numbers of a vector; known once the model is there.</summary>
    int Width { get; }

    /// <summary>What the model sees of it.</summary>
    /// <param name="input">The thing.</param>
    /// <param name="name">What it is called, for errors.</param>
    /// <exception cref="InvalidOperationException">The model cannot read it; the message names it.</exception>
    Example Encode(TInput input, string name);
}
