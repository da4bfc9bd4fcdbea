using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>What ML.NET's own doors make of a saved model.</summary>
[TestClass]
public sealed class FreshProcessTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _file = Path.GetTempFileName();

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        File.Delete(_file);
    }

    [TestMethod]
    [DataRow(true, DisplayName = "base embedded")]
    [DataRow(false, DisplayName = "base referenced")]
    public void AProcessThatRegistersNothingPredictsTheSame(bool embed)
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = Lora(embed).Fit(data);
        _context.Model.Save(model, data.Schema, _file);
        object[] actual = [.. Commands.Child.Run("predict", _file).Select(line =>
            line.Split(' ').Select(score => (object)double.Parse(score, CultureInfo.InvariantCulture)).ToArray())];
        // The child may run on another number of threads.
        Table.AreClose(Table.Read(model.Transform(data), "Score"), actual, 1e-6, "scores");
    }

    [TestMethod]
    public void AModelIsLoadedWithItsDataLoader()
    {
        string text = Path.GetTempFileName();
        File.WriteAllLines(text, Review.Make(24).Select(row => $"{row.Label}\t{row.Text}").Prepend("Label\tText"));
        try
        {
            var loader = _context.Data.CreateTextLoader<LabelledLine>(hasHeader: true);
            ITransformer model = _context.Transforms.Conversion.MapValueToKey("Label").Append(Lora(embed: true)).Fit(loader.Load(text));
            _context.Model.Save(model, loader, _file);
            ITransformer loaded = TestDevice.NewContext().Model.LoadWithDataLoader(_file, out IDataLoader<IMultiStreamSource> loadedLoader);
            IDataView rows = loadedLoader.Load(new MultiFileSource(text));
            Table.AreClose(Table.Read(model.Transform(loader.Load(text)), "Score"), Table.Read(loaded.Transform(rows), "Score"), 0, "scores");
        }
        finally
        {
            File.Delete(text);
        }
    }

    private LoraFineTune Lora(bool embed) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        Training = new TrainingOptions { MaxEpochs = 1, LearningRate = 1e-2 },
        EmbedBase = embed,
    });

    private sealed class LabelledLine
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}
