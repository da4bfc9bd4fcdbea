namespace Microsoft.ML.Peft.Generation;

/// <summary>A sequence on its way.</summary>
/// <param name="Tokens">What it has.</param>
/// <param name="Score">The sum of its log-probabilities.</param>
/// <param name="Parent">Which of its group's beams, a step ago, it goes on from.</param>
/// <param name="Text">Has read it for stop strings; null where there are none.</param>
internal sealed record Beam(TokenSequence Tokens, float Score, int Parent, TextStream? Text)
{
    public int Last => Tokens.Ids[^1];
}

/// <summary>The beams of one prompt: those that go on, and the best that are finished.</summary>
internal sealed class BeamGroup
{
    // What transformers adds to a score that is out of the race; sums and quotients are of 32 bits, as there.
    private const float Out = -1e9f;

    private readonly GenerationSettings _settings;
    private readonly EndRule _end;
    private IReadOnlyList<GeneratedSequence> _finished = [];

    public BeamGroup(int[] prompt, EndRule end, GenerationSettings settings, TextStream? text)
    {
        (_settings, _end) = (settings, end);
        // All begin alike, so at first only one of them counts.
        Running = [.. Enumerable.Range(0, settings.NumBeams).Select(i => new Beam(new TokenSequence(prompt), i == 0 ? 0 : Out, i, text))];
    }

    public IReadOnlyList<Beam> Running { get; private set; }

    public bool Done { get; private set; }

    private bool IsFull => _finished.Count == _settings.NumBeams;

    /// <summary>Takes a step.</summary>
    /// <param name="scores">The best sums of log-probabilities, best first.</param>
    /// <param name="places">The beam of each times the vocabulary's size, plus its token.</param>
    /// <param name="vocabulary">The vocabulary's size.</param>
    public void Advance(ReadOnlySpan<float> scores, ReadOnlySpan<long> places, long vocabulary)
    {
        var candidates = new Candidate[scores.Length];
        for (int i = 0; i < candidates.Length; i++)
            candidates[i] = Follow((int)(places[i] / vocabulary), (int)(places[i] % vocabulary), scores[i]);

        // Those below the number of beams are only there to go on.
        _finished = [.. _finished.Concat(candidates.Take(_settings.NumBeams).Where(c => c.End is not null).Select(Finish))
            .OrderByDescending(sequence => sequence.Score).Take(_settings.NumBeams)];
        Running = [.. candidates.Select(c => c with { Score = c.Score + (c.End is null ? 0 : Out) })
            .OrderByDescending(c => c.Score).Take(_settings.NumBeams)
            .Select(c => new Beam(Running[c.Parent].Tokens.With(c.Id), c.Score, c.Parent, c.Text))];
        Done = !CanImprove() || IsFull && _settings.EarlyStopping == BeamEarlyStopping.WhenFull || candidates.All(c => c.End is not null);
    }

    public GeneratedSequence[] Best(int count) => [.. _finished.Take(count)];

    private Candidate Follow(int parent, int id, float score)
    {
        Beam beam = Running[parent];
        TextStream? text = beam.Text?.Clone();
        text?.Add(id);
        return new Candidate(parent, id, score, _end.Check(id, beam.Tokens.GeneratedLength + 1, text), text);
    }

    private GeneratedSequence Finish(Candidate candidate)
    {
        TokenSequence tokens = Running[candidate.Parent].Tokens.With(candidate.Id);
        return new GeneratedSequence(tokens.Generated(), Penalized(candidate.Score, tokens.GeneratedLength), candidate.End!.Value);
    }

    private bool CanImprove()
    {
        bool atAnyLength = _settings.EarlyStopping == BeamEarlyStopping.Never && _settings.LengthPenalty > 0;
        float best = Penalized(Running[0].Score, atAnyLength ? _end.Room : Running[0].Tokens.GeneratedLength);
        return best > (IsFull ? _finished[^1].Score : Out);
    }

    private float Penalized(float score, int length) => score / (float)Math.Pow(length, _settings.LengthPenalty);

    private readonly record struct Candidate(int Parent, int Id, float Score, FinishReason? End, TextStream? Text);
}
