using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Data;

/// <summary>The fields that the library's tasks write, and its models read under the same names.</summary>
internal static class Fields
{
    /// <summary>Token ids, special tokens included. What fills rows up is masked, and no id of a token counts for it.</summary>
    public static readonly Field<int> Ids = new("input_ids", Collation.Padded) { MaskName = "attention_mask" };

    /// <summary>Segment of each token (0 or 1).</summary>
    public static readonly Field<byte> TypeIds = new("token_type_ids", Collation.Padded) { Along = Ids };

    /// <summary>Where each token stands, for a model that is told; of GLM's two rows of positions the first.</summary>
    public static readonly Field<int> Positions = new("position_ids", Collation.Padded) { Along = Ids };

    /// <summary>Where each token stands within the piece that fills a blank, from 1; 0 for those of the context (the second of GLM's rows of positions).</summary>
    public static readonly Field<int> BlockPositions = new("block_position_ids", Collation.Padded) { Along = Ids };

    /// <summary>How many of a row's tokens are the context that every token sees; pieces follow, each token of which sees those before it (GLM's <c>sep</c>).</summary>
    public static readonly Field<int> ContextLength = new("context_lengths", Collation.Scalar);

    /// <summary>In a row that holds several texts with blanks, for each token where its text's context ends: the tokens of a text see no others' context.</summary>
    public static readonly Field<int> ContextEnds = new("context_ends", Collation.Padded) { Along = Ids };

    /// <summary>Token positions that the head reads.</summary>
    public static readonly Field<int> ReadPositions = new("read_positions", Collation.Padded);

    /// <summary>Token positions that a tuner's virtual tokens fill, as many in each row.</summary>
    public static readonly Field<int> VirtualPlaces = new("virtual_places", Collation.Stacked);

    /// <summary>Where each alternative begins of several that a row is made of (<see cref="Data.Alternatives"/>).</summary>
    public static readonly Field<int> Alternatives = new("alternatives", Collation.None);

    /// <summary>The token at, or behind, each position that the head reads, whose likelihood is asked for.</summary>
    public static readonly Field<int> AnswerTokens = new("answer_tokens", Collation.Padded, filler: (int)Batch.IgnoredLabel);

    /// <summary>Where each text begins of several that are packed into one row.</summary>
    public static readonly Field<int> Starts = new("starts", Collation.None);

    /// <summary>The class of a row.</summary>
    public static readonly Field<int> Label = new("label", Collation.Scalar) { TensorName = "labels", IsLabel = true };

    /// <summary>The label of each position that the head reads, or of each token that a decoder writes.</summary>
    public static readonly Field<int> Labels = new("labels", Collation.Padded, filler: (int)Batch.IgnoredLabel) { IsLabel = true };

    /// <summary>Numbers to learn.</summary>
    public static readonly Field<float> Targets = new("targets", Collation.Stacked, ScalarType.Float32) { TensorName = "labels", IsLabel = true };

    /// <summary>For each word of a row the entry of <see cref="ReadPositions"/> that answers for it, -1 where the model sees nothing of it.</summary>
    public static readonly Field<int> Words = new("words", Collation.None);

    /// <summary>A picture as it was encoded; the processor makes pixels of it, batch by batch.</summary>
    public static readonly Field<byte> Picture = new("picture", Collation.None);

    /// <summary>Tokens were cut off.</summary>
    public static readonly Field<bool> Truncated = new("truncated", Collation.None);

    /// <summary>What is learnt begins within what would be one token, had it come as one text with what stands before it.</summary>
    public static readonly Field<bool> SplitsToken = new("splits_token", Collation.None);
}
