using AskText;
using Microsoft.ML;
using Microsoft.ML.Peft;
using QuickStart;
using Samples;

// dotnet run -c Release --project samples/AskText -- --data train-v1.1.json
// dotnet run -c Release --project samples/AskText -- --answers answers.zip --text article.txt
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

return Arguments.Line.Run(args, values =>
{
    var arguments = new Arguments(values);
    string saved = arguments.Answers ?? Train(arguments);
    string text = arguments.Text is { } file ? File.ReadAllText(file) : Questions.Load(arguments).Test[0].Context;
    using AnswerModel model = AnswerModel.Load(saved);
    Ask(model, text);
});

static string Train(Arguments arguments)
{
    var ml = new MLContext(seed: 1);
    string baseModel = arguments.Model ?? MiniLm.WriteFolder(Path.Combine(AppContext.BaseDirectory, "all-MiniLM-L6-v2"));
    Questions questions = Questions.Load(arguments);
    Console.WriteLine($"{questions.Train.Count:N0} questions to train on, {questions.Test.Count:N0} over other paragraphs to be judged by.");
    IDataView train = ml.Data.LoadFromEnumerable(questions.Train), test = ml.Data.LoadFromEnumerable(questions.Test);
    Console.WriteLine(AnswerModel.Estimate(ml, baseModel, train, arguments.Epochs));
    PeftTransformer model = null!;
    LiveProgress.Show("LoRA", progress => model = AnswerModel.Train(ml, baseModel, train, arguments.Epochs, progress));
    string saved = Path.Combine(AppContext.BaseDirectory, "answers.zip");
    using (model)
    {
        SquadScore score = AnswerModel.Evaluate(ml, model, test);
        Console.WriteLine($"Exact match {score.ExactMatch:P1}, F1 {score.F1:P1}.");
        AnswerModel.Save(ml, model, train, saved);
    }
    Console.WriteLine($"Saved: {saved} ({new FileInfo(saved).Length / 1e6:F1} MB).");
    return saved;
}

static void Ask(AnswerModel model, string text)
{
    Console.WriteLine($"\n{text}\n\nAsk about it; an empty line ends.");
    while (ReadQuestion() is { Length: > 0 } question)
    {
        AnswerModel.ModelOutput found = model.PredictAll(text, question);
        for (int i = 0; i < found.Answer.Length && found.PredictedIndex[i] >= 0; i++)
            Console.WriteLine($"{found.Score[i],6:P0}  {found.Answer[i]}  (at {found.PredictedIndex[i]})");
    }
}

static string? ReadQuestion()
{
    Console.Write("> ");
    return Console.ReadLine()?.Trim();
}
