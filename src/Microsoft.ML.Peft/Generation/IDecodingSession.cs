using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>A model in the act of writing: it remembers what each row has read and gives the logits of the next token.</summary>
internal interface IDecodingSession : IDisposable
{
    int Rows { get; }

    /// <summary>The model's positions.</summary>
    int MaxLength { get; }

    /// <summary>Reads prompts, or a chat's next turn; logits [B, V] behind each row's last token.</summary>
    /// <param name="ids">[B, S], padded on the left, int64.</param>
    /// <param name="mask">[B, S], true where a token is real; null when no row is padded.</param>
    Tensor Read(Tensor ids, Tensor? mask);

    /// <summary>Reads one token a row; logits [B, V].</summary>
    Tensor Next(long[] ids);

    /// <summary>Goes on with the given rows, by index: other order, repeats (beams), without those that are done.</summary>
    void Keep(long[] rows);
}
