using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Several adapters on one base: each alone, row by row, and mixed by each method.</summary>
internal sealed class MixParity : IDisposable
{
    private const string Base = "__base__", AdapterPrefix = "adapter-";

    private readonly ParityCase _parity;
    private readonly LoadedModel _loaded;
    private readonly List<PeftAdapter> _adapters = [];

    private MixParity(ParityCase parity)
    {
        (_parity, _loaded) = (parity, new LoadedModel(parity));
        foreach (string folder in Directory.GetDirectories(parity.Folder, AdapterPrefix + "*").Order(StringComparer.Ordinal))
        {
            string config = Path.Combine(folder, LoraConfigFile.FileName);
            using ITensorSource source = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
            Attach(Path.GetFileName(folder)[AdapterPrefix.Length..], LoraConfigFile.Read(JsonNode.Parse(File.ReadAllText(config))!.AsObject(), config), source);
        }
    }

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var mix = new MixParity(parity);
        foreach (PeftAdapter adapter in mix._adapters.ToArray())
            mix.Check(adapter.Name, adapter.Name);
        mix.Check("base");
        mix.CheckRows();
        foreach (JsonNode? method in parity.Json["combinations"]!.AsArray())
            mix.CheckMethod(method!.GetValue<string>());
    }

    public void Dispose() => _loaded.Dispose();

    private void CheckRows() =>
        Check("by_row", [.. _parity.Json["by_row"]!.AsArray().Select(name => name!.GetValue<string>()).Select(name => name == Base ? null : name)]);

    private void CheckMethod(string method)
    {
        string call = _parity.Json["call"]!.GetValue<string>();
        double[] weights = [.. Regex.Match(call, @"weights ([\d.]+(?:(?:, | and )[\d.]+)*)").Groups[1].Value
            .Split([", ", " and "], StringSplitOptions.None).Select(w => double.Parse(w, CultureInfo.InvariantCulture))];
        double Number(string name) => double.Parse(Regex.Match(call, name + @" ([\d.]+)").Groups[1].Value, CultureInfo.InvariantCulture);
        var options = new AdapterMixOptions
        {
            Method = Enum.Parse<AdapterMixMethod>(method.Replace("_", "", StringComparison.Ordinal), ignoreCase: true),
            Density = Number("density"),
            SvdRank = (int)Number("svd_rank"),
        };
        AdapterState[] states = [.. _adapters.Take(weights.Length).Select(a => AdapterState.Of(a.Name, a.Tuner, a.Settings))];
        using AdapterState mixed = ((IMixable)states[0].Settings).Mix(method, [.. states.Zip(weights)], options);
        Attach(method, mixed.Settings, mixed.Tensors);
        Check(method, method);
        Array.ForEach(states, state => state.Dispose());
    }

    private void Attach(string name, TunerOptions settings, ITensorSource source)
    {
        PeftAdapter adapter = _loaded.Hosted.Attach(name, settings);
        adapter.Tuner.Import(source);
        _adapters.Add(adapter);
    }

    private void Check(string what, params string?[] adapters) => _parity.Check($"out.logits_{what}", _loaded.Hosted.Run(_loaded.Logits, adapters));
}
