using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// A model that fills blanks, over rows of 116 tokens without 18 of them, in six blanks: 15 %, as GLM's pretraining draws them. With masks and marks a row
/// is of 128 tokens, 24 of which are learnt.
/// </summary>
internal sealed record BlankShape(string Config, int Layers, int Hidden, int Inner, int Vocabulary, int Rows)
    : StepShape(Config, Layers, Hidden, Inner, InnerMatrices: 2, Vocabulary, Rows, Length: 128)
{
    private const int Text = 116, Blanks = 6, Missing = 3, Between = 18, First = 5;

    public static BlankShape Glm110M { get; } = new("""
        {"model_type":"glm","architectures":["GLMForConditionalGeneration"],"hidden_size":768,"num_layers":12,"num_attention_heads":12,
         "vocab_size":30592,"max_sequence_length":512,"embedding_dropout_prob":0.1,"attention_dropout_prob":0.1,"output_dropout_prob":0.1}
        """, Layers: 12, Hidden: 768, Inner: 3072, Vocabulary: 30592, Rows: 8);

    // The mark at its start is told too.
    protected override int Told => Blanks * (Missing + 1);

    public override Head CreateHead(PretrainedModel model) => model.As<IFillsBlanks>().CreateLanguageModelHead();

    public override Example[] Examples()
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Rows).Select(_ => Row(RandomIds(random, Text)))];
    }

    private static Example Row(int[] text)
    {
        Blank[] blanks = [.. Enumerable.Range(0, Blanks).Select(i => new Blank(First + (Between * i), First + Missing + (Between * i)))];
        var marks = new BlankTokens { Mask = 4, SentenceMask = 5, DocumentMask = 6, Start = 7, End = 8, Cls = 2, EndOfText = 3, Sep = 3, Pad = 0 };
        return BlankedText.Of(text, blanks, marks.Mask, marks).Row;
    }
}
