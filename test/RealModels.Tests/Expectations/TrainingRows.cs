using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace RealModels.Tests.Expectations;

/// <summary>The rows of a training expectation, made as its note says.</summary>
internal sealed class TrainingRows
{
    private delegate Func<IReadOnlyDictionary<string, string>, Example> Maker(TextTokenizer tokenizer, GroupCollection words);

    private static readonly (string Note, Func<PretrainedModel, Head> Head, Maker Make)[] Kinds =
    [
        (@"columns (?<label>\w+) \(\w+ 0, (?<one>\w+) 1\) and (?<text>\w+), .* cut to the first (?<ids>\d+) ids",
            model => model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2), Classified),
        (@"column (?<text>\w+) after \S+ \((?<first>\d+)\), at most (?<ids>\d+) ids of text, next-token loss on all",
            model => model.As<ICausalLanguageModel>().CreateLanguageModelHead(), Continued),
        (@"prompt = (?<prompt>\w+) and a line feed, completion = (?<text>\w+) and \S+ \((?<last>\d+)\), tokenized apart",
            model => model.As<ICausalLanguageModel>().CreateLanguageModelHead(), Completed),
    ];

    private readonly Func<PretrainedModel, Head> _head;

    private TrainingRows(Func<PretrainedModel, Head> head, IEnumerable<Example> examples) => (_head, Examples) = (head, examples);

    public IEnumerable<Example> Examples { get; }

    public Head CreateHead(PretrainedModel model) => _head(model);

    public static TrainingRows Read(string folder, JsonObject expected)
    {
        string note = expected["note"]!.GetValue<string>();
        var (pattern, head, make) = Kinds.Single(kind => Regex.IsMatch(note, kind.Note));
        TextTokenizer tokenizer = TextTokenizer.Load(folder);
        IEnumerable<string[]> lines = File.ReadLines(Path.Combine(SharedData.Data, expected["data"]!.GetValue<string>())).Select(line => line.Split('\t'));
        string[] columns = lines.First();
        var row = make(tokenizer, Regex.Match(note, pattern).Groups);
        return new TrainingRows(head, lines.Skip(1 + expected["first_row"]!.GetValue<int>())
            .Select(cells => row(columns.Zip(cells).ToDictionary(c => c.First, c => c.Second))));
    }

    /// <summary>The expectations cut the whole row, its [SEP] included: no truncation that keeps special tokens.</summary>
    private static Func<IReadOnlyDictionary<string, string>, Example> Classified(TextTokenizer tokenizer, GroupCollection words) => cells =>
    {
        int[] ids = [.. tokenizer.Encode(cells[words["text"].Value]).Ids.Take(Number(words["ids"]))];
        return new Example { Ids = ids, Label = cells[words["label"].Value] == words["one"].Value ? 1 : 0 };
    };

    private static Func<IReadOnlyDictionary<string, string>, Example> Continued(TextTokenizer tokenizer, GroupCollection words) => cells =>
        NextTokens([Number(words["first"]), .. Plain(tokenizer, cells[words["text"].Value]).Take(Number(words["ids"]))], given: 1);

    private static Func<IReadOnlyDictionary<string, string>, Example> Completed(TextTokenizer tokenizer, GroupCollection words) => cells =>
    {
        int[] prompt = Plain(tokenizer, cells[words["prompt"].Value] + "\n");
        return NextTokens([.. prompt, .. Plain(tokenizer, cells[words["text"].Value]), Number(words["last"])], prompt.Length);
    };

    /// <summary>A text whose tokens behind the given ones are learnt, each at the position before it.</summary>
    private static Example NextTokens(int[] ids, int given) => new()
    {
        Ids = ids,
        ReadPositions = [.. Enumerable.Range(given - 1, ids.Length - given)],
        Labels = ids[given..],
    };

    private static int[] Plain(TextTokenizer tokenizer, string text) => tokenizer.Encode(text, addSpecialTokens: false).Ids;

    private static int Number(Group group) => int.Parse(group.Value, CultureInfo.InvariantCulture);
}
