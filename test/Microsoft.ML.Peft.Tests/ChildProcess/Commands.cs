using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tests.Estimators;
using Microsoft.ML.Peft.Tests.Training.OptimizerStates;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.ChildProcess;

/// <summary>The commands of <c>Program</c>.</summary>
internal static partial class Commands
{
    /// <summary>Runs them in a process of their own.</summary>
    public static ChildProgram Child { get; } = new(typeof(Commands).Assembly);

    /// <summary>Loads a model as a program does that knows nothing of this library, and prints the scores of some reviews.</summary>
    public static void Predict(string[] arguments)
    {
        if (AppDomain.CurrentDomain.GetAssemblies().Any(a => a.GetName().Name == "Microsoft.ML.Peft"))
            throw new InvalidOperationException("The library is loaded already: nothing would be shown.");
        var context = TestDevice.NewContext();
        ITransformer model = context.Model.Load(arguments[0], out _);
        foreach (object[] scores in Table.Read(model.Transform(Review.Load(context)), "Score").Cast<object[]>())
            Console.WriteLine(string.Join(' ', scores.Select(score => ((double)score).ToString("R", CultureInfo.InvariantCulture))));
    }

    /// <summary>Loads a model whose parts are another assembly's, as a program does that has named neither, and prints the bits of some reviews' scores.</summary>
    public static void PredictNumbers(string[] arguments)
    {
        if (AppDomain.CurrentDomain.GetAssemblies().Any(a => a.GetName().Name is "Microsoft.ML.Peft" or "UserAssembly"))
            throw new InvalidOperationException("The libraries are loaded already: nothing would be shown.");
        var context = TestDevice.NewContext();
        ITransformer model = context.Model.Load(arguments[0], out _);
        foreach (object score in Table.Read(model.Transform(Review.Load(context)), "Score"))
            Console.WriteLine(BitConverter.SingleToInt32Bits((float)(double)score).ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Fits two models, prints what the log says of memory, and how many of a hundred large tensors the system mapped.</summary>
    public static void FitTwice(string[] arguments)
    {
        var context = TestDevice.NewContext(seed: 1);
        context.Log += (_, e) =>
        {
            if (e.Message.Contains("Memory:", StringComparison.Ordinal))
                Console.WriteLine(e.Message);
        };
        IDataView data = Review.Load(context, 8);
        for (int fit = 0; fit < 2; fit++)
            context.Peft().LinearProbe(arguments[0], PeftTask.TextClassification(), maxEpochs: 1).Fit(data).Dispose();
        // Freeing a mapped block makes glibc take the next ones of that size from its heap, unless the threshold is fixed.
        TorchSharp.torch.zeros(1 << 20).Dispose();
        long before = (long)MappedBlocks().Count;
        TorchSharp.torch.Tensor[] tensors = [.. Enumerable.Range(0, 100).Select(_ => TorchSharp.torch.zeros(1 << 20))];
        Console.WriteLine((long)MappedBlocks().Count - before);
        GC.KeepAlive(tensors);
    }

    /// <summary>Goes on with a cancelled fit of a context without a seed, and prints the losses of its steps.</summary>
    public static void ResumeUnseeded(string[] arguments)
    {
        foreach (double loss in ResumedFitTests.Losses(TestDevice.NewContext(), ResumedFitTests.Options(arguments[0], arguments[1])))
            Console.WriteLine(loss.ToString("R", CultureInfo.InvariantCulture));
    }

    /// <summary>Saves a model over a file again and again, until it is killed; prints a line before the first time.</summary>
    public static void SaveForever(string[] arguments)
    {
        var context = TestDevice.NewContext();
        ITransformer model = context.Model.Load(arguments[0], out DataViewSchema schema);
        Console.WriteLine("saving");
        while (true)
            context.Model.SaveAtomically(model, schema, arguments[1]);
    }

    /// <summary>
    /// Saves a model over a file where the room does not suffice: no file may grow beyond so many bytes, or, without a number,
    /// the disk is too small. Prints what the failure was, and the name of each file in the folder afterwards.
    /// </summary>
    public static void SaveWithoutSpace(string[] arguments)
    {
        var context = TestDevice.NewContext();
        ITransformer model = context.Model.Load(arguments[0], out DataViewSchema schema);
        if (arguments.Length > 2)
            LimitFileSize(ulong.Parse(arguments[2], CultureInfo.InvariantCulture));
        try
        {
            context.Model.SaveAtomically(model, schema, arguments[1]);
            Console.WriteLine("saved");
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            Console.WriteLine(e.GetType().Name);
        }
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(arguments[1])!))
            Console.WriteLine(Path.GetFileName(file));
        context.Model.Load(arguments[1], out _);
    }

    /// <summary>Takes a step with a paged optimizer where no file may grow beyond a megabyte, and prints what the failure says.</summary>
    public static void PageWithoutSpace(string[] arguments)
    {
        LimitFileSize(1 << 20);
        using var weights = new SteppedWeights(TrainingOptimizer.PagedAdamW32Bit, 1 << 20);
        try
        {
            weights.Step(1);
        }
        catch (IOException e)
        {
            Console.WriteLine(e.Message);
        }
    }

    /// <summary>Prints what the library's work gives under each of torch's defaults, a line each.</summary>
    public static void RunUnderTorchDefaults(string[] arguments)
    {
        foreach (var (setting, results) in TorchDefaults.Run())
            Console.WriteLine($"{setting}: {results}");
    }

    private static void LimitFileSize(ulong bytes)
    {
        const int FileSize = 1, FileSizeExceeded = 25;
        PosixSignalRegistration.Create((PosixSignal)FileSizeExceeded, signal => signal.Cancel = true);
        if (SetLimit(FileSize, [bytes, bytes]) != 0)
            throw new InvalidOperationException("setrlimit failed.");
    }

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, ulong[] softAndHard);

    [LibraryImport("libc.so.6", EntryPoint = "mallinfo2")]
    private static partial AllocatorState MappedBlocks();

    /// <summary>glibc's <c>struct mallinfo2</c>, of which the fifth number counts mapped blocks.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct AllocatorState
    {
        public nuint Arena, Free, FastFree, Unused, Count, Bytes, UnusedToo, Fast, Used, FreeBytes;
    }
}
