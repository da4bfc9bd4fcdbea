namespace Microsoft.ML.Peft.Generation;

/// <summary>What <see cref="GenerationOptions"/> come to with the folder's values and the defaults: checked, and nothing null that counts.</summary>
internal sealed record GenerationSettings
{
    private const int UsualNewTokens = 20;

    private GenerationSettings(GenerationOptions user, GenerationOptions folder, IEnumerable<int> taught)
    {
        (MaxNewTokens, MaxLength) = Longest(user) ?? Longest(folder) ?? (UsualNewTokens, null);
        MinNewTokens = user.MinNewTokens ?? folder.MinNewTokens ?? 0;
        MinLength = user.MinLength ?? folder.MinLength ?? 0;
        DoSample = user.DoSample ?? folder.DoSample ?? false;
        Temperature = user.Temperature ?? folder.Temperature ?? 1;
        TopK = user.TopK ?? folder.TopK ?? 50;
        TopP = user.TopP ?? folder.TopP ?? 1;
        MinP = user.MinP ?? folder.MinP ?? 0;
        TypicalP = user.TypicalP ?? folder.TypicalP ?? 1;
        EpsilonCutoff = user.EpsilonCutoff ?? folder.EpsilonCutoff ?? 0;
        EtaCutoff = user.EtaCutoff ?? folder.EtaCutoff ?? 0;
        Seed = user.Seed ?? Random.Shared.NextInt64();
        RepetitionPenalty = user.RepetitionPenalty ?? folder.RepetitionPenalty ?? 1;
        NoRepeatNgramSize = user.NoRepeatNgramSize ?? folder.NoRepeatNgramSize ?? 0;
        NumBeams = user.NumBeams ?? folder.NumBeams ?? 1;
        LengthPenalty = user.LengthPenalty ?? folder.LengthPenalty ?? 1;
        EarlyStopping = user.EarlyStopping ?? folder.EarlyStopping ?? BeamEarlyStopping.Likely;
        NumReturnSequences = user.NumReturnSequences ?? folder.NumReturnSequences ?? 1;
        StopStrings = user.StopStrings ?? folder.StopStrings ?? [];
        EosTokenIds = [.. (user.EosTokenIds ?? (folder.EosTokenIds ?? []).Concat(taught)).Distinct()];
    }

    public int? MaxNewTokens { get; }

    public int? MaxLength { get; }

    public int MinNewTokens { get; }

    public int MinLength { get; }

    public bool DoSample { get; }

    public double Temperature { get; }

    public int TopK { get; }

    public double TopP { get; }

    public double MinP { get; }

    public double TypicalP { get; }

    public double EpsilonCutoff { get; }

    public double EtaCutoff { get; }

    public long Seed { get; }

    public double RepetitionPenalty { get; }

    public int NoRepeatNgramSize { get; }

    public int NumBeams { get; }

    public double LengthPenalty { get; }

    public BeamEarlyStopping EarlyStopping { get; }

    public int NumReturnSequences { get; }

    public IReadOnlyList<string> StopStrings { get; }

    public IReadOnlyList<int> EosTokenIds { get; }

    /// <param name="user">What the caller set.</param>
    /// <param name="folder">What the model's folder says where the caller says nothing; null for transformers' defaults alone.</param>
    /// <param name="taught">Tokens that the model was taught to end with: they end a text beside those of the folder.</param>
    /// <exception cref="ArgumentException">An option is out of range, or does not go with the others; the message names it.</exception>
    public static GenerationSettings Resolve(GenerationOptions user, GenerationOptions? folder = null, IEnumerable<int>? taught = null)
    {
        var settings = new GenerationSettings(user, folder ?? new(), taught ?? []);
        GenerationChecks.Check(settings);
        GenerationChecks.CheckUsed(user, settings);
        return settings;
    }

    /// <summary>How many tokens may follow a prompt, by the options and by the model's positions.</summary>
    public int Room(int promptLength, int positions)
    {
        int byOptions = MaxNewTokens ?? MaxLength!.Value - promptLength;
        return Math.Min(byOptions, positions - promptLength);
    }

    private static (int? New, int? Whole)? Longest(GenerationOptions options) =>
        options.MaxNewTokens is not null || options.MaxLength is not null ? (options.MaxNewTokens, options.MaxLength) : null;
}
