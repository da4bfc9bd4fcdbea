using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>Settings that PEFT has: an adapter of the method is a folder of PEFT's. Its registration says how one is read.</summary>
internal interface IPeftAdapterFormat
{
    /// <summary>These settings as PEFT's <c>adapter_config.json</c>.</summary>
    JsonObject ToAdapterConfig(string? taskType, string baseModel);
}

/// <summary>Settings that llama.cpp has: an adapter of the method fits into a .gguf file. Its registration says how one is read.</summary>
internal interface IGgufAdapterFormat
{
    /// <summary>Writes an adapter of the method.</summary>
    /// <param name="file">The file.</param>
    /// <param name="adapter">The adapter.</param>
    /// <param name="config">The base's configuration.</param>
    /// <param name="tiedOutput">The output's path where it multiplies by the token table, else null.</param>
    void WriteGguf(string file, AdapterState adapter, HfConfig config, string? tiedOutput);
}

/// <summary>Settings of a method whose adapters become one.</summary>
internal interface IMixable
{
    /// <summary>Makes one adapter of several of the method, with a weight each.</summary>
    AdapterState Mix(string name, IReadOnlyList<(AdapterState State, double Weight)> parts, AdapterMixOptions options);
}

/// <summary>Settings that may name new tokens.</summary>
internal interface IGrowsVocabulary
{
    /// <summary>Tokens that the vocabulary is to grow by; none by default.</summary>
    IReadOnlyList<string> NewTokens { get; }

    /// <summary>These settings with the ids that the new tokens got.</summary>
    TunerOptions WithNewTokens(IReadOnlyList<int> ids);
}

/// <summary>
/// Settings that may say in words where a method starts. A tuner knows ids alone, and so the words become tokens before it is attached; an
/// adapter that comes with its tensors needs none.
/// </summary>
internal interface IStartsFromTexts
{
    /// <summary>These settings with the tokens that their words are.</summary>
    /// <exception cref="ArgumentException">The words are no start for so many virtual tokens; the message names the option.</exception>
    TunerOptions WithTokens(StartWords words);
}

/// <summary>What words are to a model.</summary>
/// <param name="Marked">The ids of a text, with the special tokens that the tokenizer puts around it.</param>
/// <param name="Bare">The ids of a text alone.</param>
/// <param name="Labels">The names of the classes that the task chooses among; none for other tasks.</param>
internal sealed record StartWords(Func<string, IReadOnlyList<int>> Marked, Func<string, IReadOnlyList<int>> Bare, IReadOnlyList<string> Labels);

/// <summary>Settings that count beside those of an adapter from which a fit starts; those of other methods are the adapter's.</summary>
internal interface IContinues
{
    /// <param name="adapter">The adapter's settings, which are of the same method and taken over.</param>
    /// <param name="path">Where it lies.</param>
    /// <exception cref="ArgumentException">These settings contradict the adapter's; the message names them.</exception>
    TunerOptions Continue(TunerOptions adapter, string path);
}
