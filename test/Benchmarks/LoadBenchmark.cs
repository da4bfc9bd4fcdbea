using System.Diagnostics;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Loading a checkpoint of 500 MB and reading every weight once, beside reading the file.</summary>
internal sealed class LoadBenchmark : IBenchmark
{
    private const int Tensors = 125;

    public string Name => "load-500mb";

    public void Run()
    {
        string folder = Directory.CreateTempSubdirectory("peft-load").FullName;
        try
        {
            string file = Path.Combine(folder, "model.safetensors");
            Write(file);
            Measure(folder, file);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Write(string file)
    {
        using Tensor block = rand(1000, 1000);
        SafetensorsWriter.WriteFile(file, Enumerable.Range(0, Tensors).Select(i => ($"layer.{i}.weight", block)), null);
    }

    private void Measure(string folder, string file)
    {
        double read = Figure.Median(3, () => ReadAll(file));
        long before = ProcessMemory.Anonymous();
        long start = Stopwatch.GetTimestamp();
        using var checkpoint = SharedCheckpoint.Acquire(folder, CPU);
        using (var scope = NewDisposeScope())
        {
            foreach (string name in checkpoint.Names)
                checkpoint.Get(name).sum().item<float>();
        }
        double load = Stopwatch.GetElapsedTime(start).TotalSeconds;
        new Figure(Name, load / read, "times reading the file once (every weight is summed)", null, read * 1000).Print(0);
        new Figure(Name + "/memory", (ProcessMemory.Anonymous() - before) / 1048576.0, "MB of anonymous memory", null, null).Print(0);
    }

    private static void ReadAll(string file)
    {
        var buffer = new byte[1 << 20];
        using FileStream stream = File.OpenRead(file);
        while (stream.Read(buffer) > 0)
        {
        }
    }
}
