using System.Diagnostics;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// Merging a LoRA adapter into a LLaMA of the given shape in bf16, beside reading and writing its files; over a base that is quantized on
/// the way, or as it is.
/// </summary>
internal sealed class MergeBenchmark(string name, int hidden, int intermediate, int layers, QuantizationOptions? quantization = null) : IBenchmark
{
    public string Name => name;

    public void Run()
    {
        string folder = Directory.CreateTempSubdirectory("peft-merge").FullName;
        try
        {
            string model = Path.Combine(folder, "model"), adapter = Path.Combine(folder, "adapter");
            var files = new LlamaFiles(hidden, intermediate, layers);
            files.WriteModel(model);
            files.WriteAdapter(adapter);
            double copy = Seconds(() => Copy(model, Path.Combine(folder, "copy")));
            Directory.Delete(Path.Combine(folder, "copy"), recursive: true);
            long before = ProcessMemory.Anonymous(), peak = before;
            double merge = Seconds(() =>
            {
                Task task = Task.Run(() => Merge(model, adapter, Path.Combine(folder, "merged")));
                while (!task.Wait(10))
                    peak = Math.Max(peak, ProcessMemory.Anonymous());
            });
            new Figure(Name, merge / copy, "times reading and writing the files", quantization is null ? 1.3 : null, copy).Print(0);
            new Figure(Name + "/memory", (peak - before) / 1048576.0, "MB of anonymous memory", 1024, null).Print(0);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private void Merge(string model, string adapter, string merged)
    {
        PeftCatalog peft = new MLContext().Peft();
        ModelSource source = quantization is null ? model : peft.Nf4Quantize(new Nf4Quantize.Options { BaseModel = model, Quantization = quantization });
        peft.MergeAdapter(source, adapter, merged);
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Copy(string folder, string target)
    {
        Directory.CreateDirectory(target);
        var buffer = new byte[1 << 20];
        foreach (string file in Directory.GetFiles(folder))
        {
            using FileStream source = File.OpenRead(file), copy = File.Create(Path.Combine(target, Path.GetFileName(file)));
            for (int read; (read = source.Read(buffer)) > 0;)
                copy.Write(buffer, 0, read);
            copy.Flush(flushToDisk: true);
        }
    }
}
