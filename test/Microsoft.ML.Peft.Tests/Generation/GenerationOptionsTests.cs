using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;

namespace Microsoft.ML.Peft.Tests.Generation;

[TestClass]
public sealed class GenerationOptionsTests
{
    public static IEnumerable<object[]> Refused =>
    [
        [new GenerationOptions { DoSample = true, Temperature = -1 }, "Temperature"],
        [new GenerationOptions { DoSample = true, Temperature = 0 }, "DoSample = false"],
        [new GenerationOptions { DoSample = true, Temperature = double.NaN }, "Temperature"],
        [new GenerationOptions { DoSample = true, TopP = 1.1 }, "TopP"],
        [new GenerationOptions { DoSample = true, TopK = -1 }, "TopK"],
        [new GenerationOptions { DoSample = true, MinP = 2 }, "MinP"],
        [new GenerationOptions { DoSample = true, TypicalP = 0 }, "TypicalP"],
        [new GenerationOptions { DoSample = true, EpsilonCutoff = 1 }, "EpsilonCutoff"],
        [new GenerationOptions { DoSample = true, EtaCutoff = -0.1 }, "EtaCutoff"],
        [new GenerationOptions { RepetitionPenalty = 0 }, "RepetitionPenalty"],
        [new GenerationOptions { NoRepeatNgramSize = -2 }, "NoRepeatNgramSize"],
        [new GenerationOptions { MaxNewTokens = 0 }, "MaxNewTokens"],
        [new GenerationOptions { MaxNewTokens = 4, MinNewTokens = 5 }, "MinNewTokens"],
        [new GenerationOptions { MaxLength = 4, MinLength = 5 }, "MinLength"],
        [new GenerationOptions { MaxNewTokens = 4, MaxLength = 5 }, "MaxLength"],
        [new GenerationOptions { NumBeams = 0 }, "NumBeams"],
        [new GenerationOptions { NumBeams = 2, DoSample = true }, "sampling with beams"],
        [new GenerationOptions { NumBeams = 2, NumReturnSequences = 3 }, "NumReturnSequences"],
        [new GenerationOptions { NumReturnSequences = 2 }, "NumReturnSequences"],
        [new GenerationOptions { NumBeams = 2, LengthPenalty = double.PositiveInfinity }, "LengthPenalty"],
        [new GenerationOptions { StopStrings = ["a", ""] }, "StopStrings"],
        [new GenerationOptions { EosTokenIds = [-1] }, "EosTokenIds"],
        [new GenerationOptions { Temperature = 0.5 }, "only sampling reads"],
        [new GenerationOptions { TopK = 5 }, "only sampling reads"],
        [new GenerationOptions { LengthPenalty = 2 }, "only a beam search reads"],
        [new GenerationOptions { EarlyStopping = BeamEarlyStopping.Never }, "only a beam search reads"],
    ];

    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void WhatCannotBeIsRefusedByName(GenerationOptions options, string words) =>
        StringAssert.Contains(Assert.Throws<ArgumentException>(() => GenerationSettings.Resolve(options)).Message, words);

    [TestMethod]
    public void TheFolderSpeaksWhereTheCallerDoesNot()
    {
        GenerationOptions folder = Read("""
            {"do_sample": true, "temperature": 0.6, "top_p": 0.9, "max_length": 4096, "eos_token_id": [128001, 128009], "repetition_penalty": null,
             "early_stopping": "never", "stop_strings": "###", "pad_token_id": 0, "transformers_version": "5.0", "num_beam_groups": 1, "diversity_penalty": 0.0}
            """);
        GenerationSettings settings = GenerationSettings.Resolve(new() { TopP = 0.5, MaxNewTokens = 7 }, folder);
        Assert.AreEqual((true, 0.6, 0.5, 50), (settings.DoSample, settings.Temperature, settings.TopP, settings.TopK));
        Assert.AreEqual((7, 7, 3), (settings.MaxNewTokens, settings.Room(100, 4096), settings.Room(4093, 4096)));
        Assert.AreEqual((BeamEarlyStopping.Never, 1.0), (settings.EarlyStopping, settings.RepetitionPenalty));
        CollectionAssert.AreEqual(new[] { 128001, 128009 }, settings.EosTokenIds.ToArray());
        CollectionAssert.AreEqual(new[] { "###" }, settings.StopStrings.ToArray());
        Assert.AreEqual(96, GenerationSettings.Resolve(new(), Read("""{"max_length": 100}""")).Room(4, 4096));
    }

    [TestMethod]
    public void TheFoldersSamplingIsLeftOutByGreedyCallers() =>
        Assert.IsFalse(GenerationSettings.Resolve(new() { DoSample = false }, Read("""{"do_sample": true, "temperature": 0.6}""")).DoSample);

    [TestMethod]
    [DataRow("""{"do_sample": false, "temperature": 0.0}""")]
    [DataRow("""{"temperature": 0.0, "top_k": -1, "top_p": 2.0, "min_p": -1, "typical_p": 0.0, "epsilon_cutoff": 1.5, "eta_cutoff": 2.0}""")]
    [DataRow("""{"num_beams": 1, "length_penalty": 1e999}""")]
    [DataRow("""{"bad_words_ids": [], "suppress_tokens": [], "force_words_ids": [], "sequence_bias": {}, "eos_token_id": []}""")]
    public void WhatAFolderSaysAndNobodyReadsIsNotJudged(string json)
    {
        Assert.IsFalse(GenerationSettings.Resolve(new(), Read(json)).DoSample);
        Assert.IsFalse(GenerationSettings.Resolve(new() { MaxNewTokens = 3 }, Read(json)).DoSample);
    }

    [TestMethod]
    public void WhatAFolderSaysIsJudgedOnceItIsRead() => StringAssert.Contains(
        Assert.Throws<ArgumentException>(() => GenerationSettings.Resolve(new() { DoSample = true }, Read("""{"do_sample": false, "temperature": 0.0}"""))).Message,
        "Temperature");

    [TestMethod]
    [DataRow("""{"num_beam_groups": 2}""", "num_beam_groups")]
    [DataRow("""{"bad_words_ids": [[1]]}""", "bad_words_ids")]
    [DataRow("""{"early_stopping": "soon"}""", "early_stopping")]
    [DataRow("""{"top_k": "many"}""", "top_k")]
    [DataRow("""{"temperature": "hot"}""", "temperature")]
    public void WhatAFolderAsksForAndCannotHaveIsNamed(string json, string key) =>
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Read(json)).Message, key);

    private static GenerationOptions Read(string json) => GenerationConfigFile.Read(HfConfig.Parse(json, "generation_config.json"), "generation_config.json");
}
