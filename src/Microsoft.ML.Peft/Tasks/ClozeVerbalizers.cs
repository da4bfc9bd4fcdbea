using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What stands in a gap for each class, in the classes' order, and how likely the model finds it.</summary>
internal sealed class ClozeVerbalizers
{
    private readonly ClozePattern[] _answers;
    private readonly ClozeReader _reader;
    private readonly LabelSet _labels;
    // Their tokens where the pattern is read once for all; null where it is read once for each.
    private readonly int[]? _tokens;
    private readonly bool _mean;

    /// <exception cref="ArgumentException">A label has no verbalizer, a verbalizer no label, two are the same, or one is not one token where it must be; the message says which.</exception>
    public ClozeVerbalizers(IReadOnlyDictionary<string, string> verbalizers, ClozeScoring scoring, LabelSet labels, ClozeReader reader)
    {
        string[] missing = [.. labels.Names.Where(name => !verbalizers.ContainsKey(name))], unknown = [.. verbalizers.Keys.Except(labels.Names)];
        if (missing.Length > 0)
            throw new ArgumentException($"The labels {LabelSet.List(missing)} have no verbalizer; there are some for {LabelSet.List([.. verbalizers.Keys])}.", nameof(verbalizers));
        if (unknown.Length > 0)
            throw new ArgumentException($"There are verbalizers for {LabelSet.List(unknown)}, which the labels ({labels}) do not know.", nameof(verbalizers));
        (_labels, _reader, _mean) = (labels, reader, scoring == ClozeScoring.MeanOfTokens);
        _answers = [.. labels.Names.Select(name => ClozePattern.Answer(verbalizers[name], name))];
        if (scoring != ClozeScoring.OneToken)
            return;
        if (reader.GoesOn && !reader.Pattern.EndsInMask)
        {
            throw new ArgumentException(
                $"A decoder reads from left to right, and the pattern '{reader.Pattern.Source}' goes on behind the gap: let it end in {{mask}}, or score what follows too ({nameof(ClozeScoring)}.{nameof(ClozeScoring.MeanOfTokens)}).",
                nameof(reader.Pattern));
        }
        _tokens = [.. labels.Names.Zip(_answers, OneToken)];
        CheckDifferent(_tokens);
    }

    /// <summary>Whether the model reads a row once for each class.</summary>
    public bool ReadsEach => _tokens is null;

    /// <exception cref="ArgumentException">Two labels have the same verbalizer, or one has columns and is scored by one token.</exception>
    public static void Check(IReadOnlyDictionary<string, string> verbalizers, ClozeScoring scoring)
    {
        if (!Enum.IsDefined(scoring))
            throw new ArgumentOutOfRangeException(nameof(scoring), scoring, $"{nameof(scoring)} is not one of the ways.");
        if (verbalizers.Count < 2)
            throw new ArgumentException("There must be verbalizers for two labels or more.", nameof(verbalizers));
        if (verbalizers.FirstOrDefault(verbalizer => string.IsNullOrWhiteSpace(verbalizer.Value)) is { Key: { } empty })
            throw new ArgumentException($"The verbalizer of the label '{empty}' is empty.", nameof(verbalizers));
        if (verbalizers.GroupBy(verbalizer => verbalizer.Value.Trim()).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new ArgumentException($"The labels {LabelSet.List([.. twice.Select(one => one.Key)])} have the same verbalizer '{twice.Key}'.", nameof(verbalizers));
        if (scoring == ClozeScoring.OneToken && verbalizers.FirstOrDefault(verbalizer => ClozePattern.Answer(verbalizer.Value, verbalizer.Key).Columns.Count > 0) is { Key: { } label } columns)
        {
            throw new ArgumentException(
                $"The verbalizer '{columns.Value}' of the label '{label}' has a column, whose texts are of several tokens: {nameof(ClozeScoring)}.{nameof(ClozeScoring.MeanOfTokens)} scores them.", nameof(verbalizers));
        }
    }

    /// <summary>Reads a row: once with an open gap, or once with each answer.</summary>
    /// <param name="values">The text of a column.</param>
    /// <param name="position">The row's number, for errors.</param>
    /// <exception cref="InvalidOperationException">An answer of the row has no token.</exception>
    public Example Read(Func<string, string> values, long position)
    {
        if (!ReadsEach)
            return _reader.Open(values);
        return Alternatives.Join([.. _answers.Select((answer, label) =>
        {
            string text = string.Concat(answer.Parts.Select(part => part.Kind == ClozePartKind.Column ? values(part.Text) : part.Text));
            int[] tokens = _reader.Answer(text);
            return tokens.Length > 0 ? _reader.With(values, tokens) : throw new InvalidOperationException(
                $"Row {position}: the verbalizer '{answer.Source}' of the label '{_labels.Names[label]}' has no token there.");
        })]);
    }

    /// <summary>How likely each class is, as logits [rows, classes].</summary>
    public Tensor Score(Head head, Tensor hidden, Batch batch, ForwardContext context)
    {
        if (_tokens is not null)
            return ClozeHead.LogitsOf(head, hidden, _tokens, batch, context);
        using Tensor each = ClozeHead.Likelihood(head, hidden, batch, context, _mean);
        return each.view(-1, _labels.Count);
    }

    private int OneToken(string label, ClozePattern answer)
    {
        string text = string.Concat(answer.Parts.Select(part => part.Text));
        int[] ids = _reader.Answer(text);
        return ids is [var one] ? one : throw new ArgumentException(
            $"The verbalizer '{text}' of the label '{label}' is {_reader.Cut(ids)}, and one token is needed: take another word, or {nameof(ClozeScoring)}.{nameof(ClozeScoring.MeanOfTokens)}.");
    }

    private void CheckDifferent(int[] tokens)
    {
        for (int i = 0; i < tokens.Length; i++)
        {
            int same = Array.IndexOf(tokens, tokens[i]);
            if (same < i)
            {
                throw new ArgumentException(
                    $"The labels '{_labels.Names[same]}' and '{_labels.Names[i]}' have verbalizers of the same token, '{_answers[same].Source}' and '{_answers[i].Source}'.");
            }
        }
    }
}
