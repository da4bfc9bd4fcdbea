using System.Net;
using System.Text;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The picture of docs/glm.md is drawn from the code's own tensors: the row that training makes of a text, its positions, and the mask that the layers get.</summary>
[TestClass]
public sealed class GlmDrawingTests
{
    private const string Write = "PEFT_WRITE_DRAWING";

    private const int Cell = 22, Left = 110, Top = 110;

    private static readonly string[] s_words = ["[CLS]", "The", "old", "cat", "sat", "on", "the", "mat", ".", "<end>", "[MASK]", "<start>", "</start>"];

    [TestMethod]
    public void TheDrawingOfTheMaskIsTrue()
    {
        string file = Path.Combine(RepositoryFolder.Root, "docs", "glm-mask.svg"), drawn = Draw();
        if (Environment.GetEnvironmentVariable(Write) == "1")
            File.WriteAllText(file, drawn);
        Assert.AreEqual(drawn, File.ReadAllText(file), $"docs/glm-mask.svg shows another mask or other positions than the code makes: run this test with {Write}=1, and commit the file.");
    }

    /// <summary>"The old cat sat on the mat." without "old cat" and "mat", the later blank first.</summary>
    private static BlankedText Row() => BlankedText.Of(
        [.. Enumerable.Range(0, 10)], [new Blank(7, 8), new Blank(2, 4)], mask: 10,
        new BlankTokens { Mask = 10, SentenceMask = 10, DocumentMask = 10, Start = 11, End = 12, Cls = 0, EndOfText = 9, Sep = 9, Pad = 9 });

    private static bool[] Visible(BlankedText row)
    {
        using var scope = NewDisposeScope();
        long length = row.Tokens.Length;
        var mask = new AttentionMask(new MaskTerms
        {
            Queries = length, Keys = length, Device = CPU, IsCausal = true, VisiblePrefix = tensor(new long[] { row.Separator }),
        });
        return [.. mask.Bias!.isfinite().flatten().data<bool>()];
    }

    private static string Draw()
    {
        BlankedText row = Row();
        bool[] visible = Visible(row);
        int count = row.Tokens.Length, right = Left + (count * Cell), bottom = Top + (count * Cell);
        var svg = new StringBuilder();
        Line($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right + 110}\" height=\"{bottom + 90}\" font-family=\"sans-serif\" font-size=\"12\">");
        Line($"<rect width=\"{right + 110}\" height=\"{bottom + 90}\" fill=\"white\"/>");
        for (int i = 0; i < count; i++)
        {
            int x = Left + (i * Cell), y = Top + (i * Cell);
            Line($"<text x=\"{Left - 8}\" y=\"{y + 16}\" text-anchor=\"end\">{Word(row.Tokens[i])}</text>");
            Line($"<text transform=\"translate({x + 15} {Top - 8}) rotate(-60)\">{Word(row.Tokens[i])}</text>");
            Line($"<text x=\"{x + (Cell / 2)}\" y=\"{bottom + 24}\" text-anchor=\"middle\">{row.Positions[i]}</text>");
            Line($"<text x=\"{x + (Cell / 2)}\" y=\"{bottom + 46}\" text-anchor=\"middle\">{row.BlockPositions[i]}</text>");
            if (row.LossMask[i] == 1)
                Line($"<text x=\"{right + 8}\" y=\"{y + 16}\">{Word(row.Targets[i])}</text>");
            for (int key = 0; key < count; key++)
                Line($"<rect x=\"{Left + (key * Cell)}\" y=\"{y}\" width=\"{Cell}\" height=\"{Cell}\" fill=\"{Color(visible[(i * count) + key], key < row.Separator)}\" stroke=\"#ccc\"/>");
        }
        Label(Left - 8, bottom + 24, "position");
        Label(Left - 8, bottom + 46, "in its piece");
        Line($"<text x=\"{right + 8}\" y=\"{Top - 8}\">is to say</text>");
        Line($"<text x=\"{Left}\" y=\"{bottom + 74}\">rows: who looks; columns: what is seen (blue: context, orange: pieces)</text>");
        Line($"</svg>");
        return svg.ToString();

        void Label(int x, int y, string text) => Line($"<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{text}</text>");

        void Line(FormattableString text) => svg.Append(FormattableString.Invariant(text)).Append('\n');
    }

    private static string Word(int id) => WebUtility.HtmlEncode(s_words[id]);

    private static string Color(bool visible, bool context) => !visible ? "#f4f4f4" : context ? "#8fb4e3" : "#f0b070";
}
