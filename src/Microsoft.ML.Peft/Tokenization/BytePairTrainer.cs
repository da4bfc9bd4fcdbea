using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// Learns byte pairs from texts (Sennrich et al. 2016, over bytes as GPT-2 has them): the two tokens that stand beside each other most often become one,
/// again and again. Of pairs that are as frequent the older tokens' goes first, so that the same texts give the same tokens.
/// </summary>
internal sealed class BytePairTrainer
{
    /// <summary>One token for each byte.</summary>
    public const int Smallest = 256;

    private readonly List<string> _tokens = [.. Enumerable.Range(0, Smallest).Select(value => $"{ByteAlphabet.Character((byte)value)}")];
    private readonly List<(int[] Tokens, long Count)> _words = [];
    private readonly Dictionary<(int Left, int Right), long> _counts = [];
    private readonly Dictionary<(int Left, int Right), HashSet<int>> _places = [];
    private readonly List<(int Left, int Right)> _merges = [];

    private BytePairTrainer(IEnumerable<string> texts)
    {
        Dictionary<string, long> words = [];
        foreach (string text in texts)
        {
            foreach (Range range in ByteLevelPreTokenizer.Words(text))
            {
                words[text[range]] = words.GetValueOrDefault(text[range]) + 1;
            }
        }
        foreach ((string word, long count) in words.OrderBy(word => word.Key, StringComparer.Ordinal))
        {
            _words.Add(([.. System.Text.Encoding.UTF8.GetBytes(word).Select(value => (int)value)], count));
            Count(_words.Count - 1, 1);
        }
    }

    /// <summary>Makes a tokenizer of texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="vocabularySize">Tokens at most; fewer where the texts have no more pairs that stand there twice.</param>
    /// <returns>A tokenizer.json.</returns>
    public static byte[] Train(IEnumerable<string> texts, int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, Smallest);
        var trainer = new BytePairTrainer(texts);
        if (trainer._words.Count == 0)
        {
            throw new ArgumentException("There is no text to learn a vocabulary from.", nameof(texts));
        }
        trainer.Merge(vocabularySize);
        return trainer.ToJson();
    }

    private void Merge(int size)
    {
        PriorityQueue<(int Left, int Right), (long Count, int Left, int Right)> queue = new();
        Enqueue(_counts.Keys);
        while (_tokens.Count < size && queue.TryDequeue(out (int Left, int Right) pair, out (long Count, int, int) priority))
        {
            // Its count may be another by now, and then it stands in the queue again.
            if (_counts.GetValueOrDefault(pair) != -priority.Count)
            {
                continue;
            }
            _merges.Add(pair);
            _tokens.Add(_tokens[pair.Left] + _tokens[pair.Right]);
            Enqueue(Join(pair, _tokens.Count - 1));
        }

        void Enqueue(IEnumerable<(int Left, int Right)> pairs)
        {
            foreach ((int left, int right) in pairs.Where(pair => _counts[pair] > 1))
            {
                queue.Enqueue((left, right), (-_counts[(left, right)], left, right));
            }
        }
    }

    /// <summary>Puts a token in place of a pair, and says which pairs are counted anew.</summary>
    private HashSet<(int Left, int Right)> Join((int Left, int Right) pair, int token)
    {
        HashSet<(int Left, int Right)> changed = [];
        foreach (int word in _places[pair].Order())
        {
            changed.UnionWith(Count(word, -1));
            _words[word] = (Joined(_words[word].Tokens, pair, token), _words[word].Count);
            changed.UnionWith(Count(word, 1));
        }
        return changed;
    }

    private static int[] Joined(int[] tokens, (int Left, int Right) pair, int token)
    {
        List<int> joined = new(tokens.Length);
        for (int i = 0; i < tokens.Length; i++)
        {
            bool isPair = i + 1 < tokens.Length && (tokens[i], tokens[i + 1]) == pair;
            joined.Add(isPair ? token : tokens[i]);
            i += isPair ? 1 : 0;
        }
        return [.. joined];
    }

    private IEnumerable<(int Left, int Right)> Count(int word, int sign)
    {
        (int[] tokens, long count) = _words[word];
        (int Left, int Right)[] pairs = [.. tokens.Zip(tokens.Skip(1))];
        foreach ((int Left, int Right) pair in pairs)
        {
            _counts[pair] = _counts.GetValueOrDefault(pair) + (sign * count);
            if (!_places.TryGetValue(pair, out HashSet<int>? places))
            {
                _places.Add(pair, places = []);
            }
            places.Add(word);
        }
        return pairs;
    }

    private byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(new JsonObject
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray(),
        ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true },
        ["decoder"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = true, ["trim_offsets"] = true, ["use_regex"] = true },
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["vocab"] = new JsonObject(_tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id))),
            ["merges"] = new JsonArray([.. _merges.Select(pair => (JsonNode?)$"{_tokens[pair.Left]} {_tokens[pair.Right]}")]),
        },
    });
}
