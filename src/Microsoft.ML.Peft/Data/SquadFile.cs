using System.Text.Json;

namespace Microsoft.ML.Peft;

/// <summary>A question of a <see cref="SquadFile"/>, with the columns that <see cref="PeftTask.QuestionAnswer"/> reads.</summary>
public sealed class SquadQuestion
{
    /// <summary>The question's id.</summary>
    public string Id { get; set; } = "";

    /// <summary>The title of the article.</summary>
    public string Title { get; set; } = "";

    /// <summary>The paragraph.</summary>
    public string Context { get; set; } = "";

    /// <summary>The question.</summary>
    public string Question { get; set; } = "";

    /// <summary>The first right answer; empty where the paragraph has none.</summary>
    public string TrainingAnswer { get; set; } = "";

    /// <summary>Where that answer begins in the paragraph, in UTF-16 units; -1 where there is none.</summary>
    public int AnswerIndex { get; set; } = -1;

    /// <summary>All right answers; one empty text where there is none.</summary>
    public string[] Answers { get; set; } = [""];
}

/// <summary>Data sets in the JSON of SQuAD (Rajpurkar et al. 2016), versions 1.1 and 2.0. They count an answer's place in code points.</summary>
public static class SquadFile
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads the questions of a file, places converted to UTF-16 units.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The questions in their order.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no such JSON.</exception>
    public static IReadOnlyList<SquadQuestion> Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        using FileStream file = File.OpenRead(path);
        try
        {
            DataSet set = JsonSerializer.Deserialize<DataSet>(file, s_json) ?? new([]);
            return [.. from article in Of(set.Data, "data")
                       from paragraph in Of(article.Paragraphs, "paragraphs")
                       from question in Of(paragraph.Qas, "qas")
                       select Make(article.Title ?? "", paragraph.Context ?? throw Missing("context"), question)];
        }
        catch (Exception exception) when (exception is JsonException or InvalidDataException)
        {
            throw new InvalidDataException($"{path}: expected a data set in SQuAD's JSON: {exception.Message}", exception);
        }
    }

    /// <summary>A place in a text that is counted in code points, in UTF-16 units.</summary>
    /// <param name="text">The text.</param>
    /// <param name="codePoints">The code points before the place.</param>
    /// <returns>The units before it; -1 if the text has not so many code points.</returns>
    public static int OffsetOf(string text, int codePoints)
    {
        ArgumentNullException.ThrowIfNull(text);
        int units = 0;
        for (int left = codePoints; left > 0; left--)
        {
            if (units >= text.Length)
                return -1;
            units += char.IsSurrogatePair(text, units) ? 2 : 1;
        }
        return codePoints < 0 ? -1 : units;
    }

    private static SquadQuestion Make(string title, string context, Qa question)
    {
        Answer[] answers = question.IsImpossible ? [] : question.Answers ?? [];
        var made = new SquadQuestion
        {
            Id = question.Id ?? "", Title = title, Context = context, Question = question.Question ?? throw Missing("question"),
        };
        if (answers.Length == 0)
            return made;
        made.Answers = [.. answers.Select(answer => answer.Text ?? throw Missing("text"))];
        (made.TrainingAnswer, made.AnswerIndex) = (made.Answers[0], OffsetOf(context, answers[0].AnswerStart));
        return made;
    }

    private static T[] Of<T>(T[]? items, string name) => items ?? throw Missing(name);

    private static InvalidDataException Missing(string name) => new($"'{name}' is missing.");

    private sealed record DataSet(Article[]? Data);

    private sealed record Article(string? Title, Paragraph[]? Paragraphs);

    private sealed record Paragraph(string? Context, Qa[]? Qas);

    private sealed record Qa(string? Id, string? Question, Answer[]? Answers, bool IsImpossible);

    private sealed record Answer(string? Text, int AnswerStart);
}
