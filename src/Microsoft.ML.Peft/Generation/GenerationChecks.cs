namespace Microsoft.ML.Peft.Generation;

/// <summary>What is wrong with generation options, said by the option's name. What the chosen way of generating does not read is not judged.</summary>
internal static class GenerationChecks
{
    public static void Check(GenerationSettings settings)
    {
        AtLeast(1, settings.MaxNewTokens ?? 1, nameof(settings.MaxNewTokens));
        AtLeast(1, settings.MaxLength ?? 1, nameof(settings.MaxLength));
        AtLeast(0, settings.MinNewTokens, nameof(settings.MinNewTokens));
        AtLeast(0, settings.MinLength, nameof(settings.MinLength));
        AtLeast(0, settings.NoRepeatNgramSize, nameof(settings.NoRepeatNgramSize));
        AtLeast(1, settings.NumBeams, nameof(settings.NumBeams));
        AtLeast(1, settings.NumReturnSequences, nameof(settings.NumReturnSequences));
        Require(Positive(settings.RepetitionPenalty), settings.RepetitionPenalty, nameof(settings.RepetitionPenalty), "above 0");
        Require(settings.EosTokenIds.All(id => id >= 0), string.Join(", ", settings.EosTokenIds), nameof(settings.EosTokenIds), "token ids, 0 or more");
        Require(settings.StopStrings.All(text => text is { Length: > 0 }), "an empty one", nameof(settings.StopStrings), "texts of at least one character");
        if (settings.DoSample)
            CheckSampling(settings);
        if (settings.NumBeams > 1)
            CheckBeams(settings);
        CheckTogether(settings);
    }

    /// <summary>Refuses what the caller set and the chosen way of generating would not read.</summary>
    public static void CheckUsed(GenerationOptions user, GenerationSettings settings)
    {
        if (user.MaxNewTokens is not null && user.MaxLength is not null)
            throw new ArgumentException($"{nameof(user.MaxNewTokens)} and {nameof(user.MaxLength)} are both set; set one.");
        (string Option, bool Set)[] sampling =
        [
            (nameof(user.Temperature), user.Temperature is not (null or 1)), (nameof(user.TopK), user.TopK is not (null or 0)),
            (nameof(user.TopP), user.TopP is not (null or 1)), (nameof(user.MinP), user.MinP is not (null or 0)),
            (nameof(user.TypicalP), user.TypicalP is not (null or 1)), (nameof(user.EpsilonCutoff), user.EpsilonCutoff is not (null or 0)),
            (nameof(user.EtaCutoff), user.EtaCutoff is not (null or 0)),
        ];
        if (!settings.DoSample && sampling.FirstOrDefault(o => o.Set).Option is { } sampled)
            throw new ArgumentException($"{sampled} is set, which only sampling reads; set {nameof(user.DoSample)} = true.");
        (string Option, bool Set)[] beams = [(nameof(user.LengthPenalty), user.LengthPenalty is not (null or 1)), (nameof(user.EarlyStopping), user.EarlyStopping is not null)];
        if (settings.NumBeams == 1 && beams.FirstOrDefault(o => o.Set).Option is { } beam)
            throw new ArgumentException($"{beam} is set, which only a beam search reads; set {nameof(user.NumBeams)} above 1.");
    }

    private static void CheckSampling(GenerationSettings settings)
    {
        AtLeast(0, settings.TopK, nameof(settings.TopK));
        Require(Positive(settings.Temperature), settings.Temperature, nameof(settings.Temperature), "above 0; for the likeliest token set DoSample = false");
        Require(settings.TopP is >= 0 and <= 1, settings.TopP, nameof(settings.TopP), "in [0, 1]");
        Require(settings.MinP is >= 0 and <= 1, settings.MinP, nameof(settings.MinP), "in [0, 1]");
        Require(settings.TypicalP is > 0 and <= 1, settings.TypicalP, nameof(settings.TypicalP), "in (0, 1]");
        Require(settings.EpsilonCutoff is >= 0 and < 1, settings.EpsilonCutoff, nameof(settings.EpsilonCutoff), "in [0, 1)");
        Require(settings.EtaCutoff is >= 0 and < 1, settings.EtaCutoff, nameof(settings.EtaCutoff), "in [0, 1)");
    }

    private static void CheckBeams(GenerationSettings settings)
    {
        Require(double.IsFinite(settings.LengthPenalty), settings.LengthPenalty, nameof(settings.LengthPenalty), "a finite number");
        Require(Enum.IsDefined(settings.EarlyStopping), settings.EarlyStopping, nameof(settings.EarlyStopping), "one of the ways to stop");
    }

    private static void CheckTogether(GenerationSettings settings)
    {
        if (settings.NumBeams > 1 && settings.DoSample)
        {
            throw new ArgumentException(
                $"{nameof(settings.NumBeams)} is {settings.NumBeams} and {nameof(settings.DoSample)} is true; sampling with beams is not supported: set one of them (the model's generation_config.json may have set the other).");
        }
        if (settings.NumReturnSequences > settings.NumBeams && !settings.DoSample)
        {
            throw new ArgumentException(
                $"{nameof(settings.NumReturnSequences)} is {settings.NumReturnSequences}, more than {nameof(settings.NumBeams)}, {settings.NumBeams}; more sequences need as many beams, or sampling.");
        }
        if (settings.MinNewTokens > (settings.MaxNewTokens ?? int.MaxValue))
            throw new ArgumentException($"{nameof(settings.MinNewTokens)} is {settings.MinNewTokens}, more than {nameof(settings.MaxNewTokens)}, {settings.MaxNewTokens}.");
        if (settings.MinLength > (settings.MaxLength ?? int.MaxValue))
            throw new ArgumentException($"{nameof(settings.MinLength)} is {settings.MinLength}, more than {nameof(settings.MaxLength)}, {settings.MaxLength}.");
    }

    private static bool Positive(double value) => value > 0 && double.IsFinite(value);

    private static void AtLeast(int least, int value, string option) => Require(value >= least, value, option, $"{least} or more");

    private static void Require(bool fits, object value, string option, string expected)
    {
        if (!fits)
            throw new ArgumentOutOfRangeException(option, value, $"{nameof(GenerationOptions)}.{option} must be {expected}.");
    }
}
