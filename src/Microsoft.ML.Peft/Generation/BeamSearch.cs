using Microsoft.ML.Peft.Generation.Processors;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>Beam search as transformers has it; each prompt's beams are a group, and a group that is done leaves the batch.</summary>
internal sealed class BeamSearch(IDecodingSession session, GenerationSettings settings)
{
    private readonly LogitsProcessors _processors = new(settings);
    private readonly int _beams = settings.NumBeams;

    public IReadOnlyList<GeneratedSequence[]> Run(IReadOnlyList<int[]> prompts, IReadOnlyList<BeamGroup> groups, CancellationToken token)
    {
        Tensor logits = Prompts.Read(session, prompts, _beams);
        for (IReadOnlyList<BeamGroup> live = groups; ;)
        {
            Advance(live, logits);
            long[] rows = [.. live.SelectMany((group, i) => group.Done ? [] : group.Running.Select(beam => (long)i * _beams + beam.Parent))];
            if (rows.Length == 0)
                return [.. groups.Select(group => group.Best(settings.NumReturnSequences))];
            token.ThrowIfCancellationRequested();
            live = [.. live.Where(group => !group.Done)];
            session.Keep(rows);
            logits = session.Next([.. live.SelectMany(group => group.Running.Select(beam => (long)beam.Last))]);
        }
    }

    // The candidates of a group: enough that as many as there are beams go on, though every end token be among them.
    private void Advance(IReadOnlyList<BeamGroup> live, Tensor logits)
    {
        using var owned = logits;
        using var scope = NewDisposeScope();
        Beam[] beams = [.. live.SelectMany(group => group.Running)];
        Tensor scores = logits.to(ScalarType.Float32).log_softmax(-1);
        scores = _processors.Apply(scores, [.. beams.Select(beam => beam.Tokens)]);
        long vocabulary = scores.size(1);
        scores += tensor(beams.Select(beam => beam.Score).ToArray(), ScalarType.Float32, scores.device).unsqueeze(1);
        int count = (int)Math.Min(Math.Max(2, 1 + settings.EosTokenIds.Count) * _beams, _beams * vocabulary);
        var (best, places) = scores.view(live.Count, -1).topk(count);
        float[] sums = best.cpu().data<float>().ToArray();
        long[] found = places.cpu().data<long>().ToArray();
        for (int i = 0; i < live.Count; i++)
            live[i].Advance(sums.AsSpan(i * count, count), found.AsSpan(i * count, count), vocabulary);
    }
}
