namespace Microsoft.ML.Peft.Metrics;

/// <summary>
/// CIDEr (Vedantam et al. 2015) as the COCO caption evaluation computes it: the cosine between tf-idf vectors of runs of 1 to 4
/// words, the hypothesis's counts clipped to the reference's, with a Gaussian penalty for another length, times 10.
/// </summary>
internal sealed class Cider
{
    private const int Orders = 4;
    private const double Sigma = 6;

    private readonly Dictionary<string, int> _documents = new(StringComparer.Ordinal);
    private readonly double _logDocuments;

    private Cider(IReadOnlyList<IReadOnlyList<string>> references)
    {
        _logDocuments = Math.Log(references.Count);
        foreach (string gram in references.SelectMany(group => group.SelectMany(Grams).Distinct()))
            _documents[gram] = _documents.GetValueOrDefault(gram) + 1;
    }

    public static CiderScore Score(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        var cider = new Cider(references);
        double[] each = [.. hypotheses.Select((text, i) => cider.Score(text, references[i]))];
        return new(each.Average(), each);
    }

    private double Score(string hypothesis, IReadOnlyList<string> references)
    {
        string[] words = NGrams.Words(hypothesis);
        Dictionary<string, double>[] vectors = Vectors(words);
        return 10 * references.Average(reference =>
        {
            string[] others = NGrams.Words(reference);
            double difference = Runs(words) - Runs(others);
            return vectors.Zip(Vectors(others), Similarity).Average() * Math.Exp(-difference * difference / (2 * Sigma * Sigma));
        });
    }

    // The evaluation takes the number of word pairs for a text's length: they differ between an empty text and one of a word.
    private static int Runs(string[] words) => Math.Max(0, words.Length - 1);

    private Dictionary<string, double>[] Vectors(string[] words) =>
        [.. Enumerable.Range(1, Orders).Select(order => NGrams.Count(words, order).ToDictionary(gram => gram.Key, gram => gram.Value * Weight(gram.Key)))];

    private double Weight(string gram) => _logDocuments - Math.Log(Math.Max(1, _documents.GetValueOrDefault(gram)));

    private static double Similarity(Dictionary<string, double> hypothesis, Dictionary<string, double> reference)
    {
        double product = hypothesis.Sum(gram => reference.TryGetValue(gram.Key, out double other) ? Math.Min(gram.Value, other) * other : 0);
        double norms = Norm(hypothesis) * Norm(reference);
        return norms > 0 ? product / norms : 0;
    }

    private static double Norm(Dictionary<string, double> vector) => Math.Sqrt(vector.Values.Sum(value => value * value));

    private static IEnumerable<string> Grams(string text)
    {
        string[] words = NGrams.Words(text);
        return Enumerable.Range(1, Orders).SelectMany(order => NGrams.Count(words, order).Keys);
    }
}
