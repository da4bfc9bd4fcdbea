using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Answers in data, right and given, held against each other.</summary>
internal static class AnswerEvaluation
{
    /// <exception cref="ArgumentException">A column is missing or holds no texts, there is no row, or a row has no right answer.</exception>
    public static SquadScore Of(IDataView data, TextsColumn right, TextsColumn given)
    {
        SchemaShape shape = SchemaShapes.Of(data.Schema);
        right.Check(shape);
        given.Check(shape);
        var (predicted, answers) = (new List<string>(), new List<string[]>());
        using DataViewRowCursor cursor = data.GetRowCursor([data.Schema[right.Name], data.Schema[given.Name]]);
        Func<string[]> readRight = right.Read(cursor), readGiven = given.Read(cursor);
        while (cursor.MoveNext())
        {
            answers.Add(readRight());
            predicted.Add(readGiven().FirstOrDefault(""));
        }
        return TextMetrics.Squad(predicted, answers);
    }
}
