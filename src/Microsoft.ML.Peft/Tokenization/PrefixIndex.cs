namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Finds the entries of a vocabulary that begin at a place in a text: a sorted array walked like a trie.</summary>
internal sealed class PrefixIndex
{
    private readonly string[] _keys;
    private readonly int[] _values;

    public PrefixIndex(IEnumerable<KeyValuePair<string, int>> entries)
    {
        KeyValuePair<string, int>[] sorted = [.. entries.Where(entry => entry.Key.Length > 0)];
        _keys = [.. sorted.Select(entry => entry.Key)];
        _values = [.. sorted.Select(entry => entry.Value)];
        Array.Sort(_keys, _values, StringComparer.Ordinal);
    }

    public IEnumerable<char> FirstCharacters => _keys.Select(key => key[0]).Distinct();

    public Walk Begin() => new(this);

    /// <summary>The longest entry at the beginning of <paramref name="text"/>.</summary>
    public bool TryLongest(ReadOnlySpan<char> text, out int value, out int length)
    {
        (value, length) = (-1, 0);
        Walk walk = Begin();
        for (int i = 0; i < text.Length && walk.Step(text[i]); i++)
        {
            if (walk.TryMatch(out int match))
            {
                (value, length) = (match, i + 1);
            }
        }
        return length > 0;
    }

    internal struct Walk(PrefixIndex index)
    {
        private int _low;
        private int _high = index._keys.Length;
        private int _depth;

        public bool Step(char character)
        {
            _low = LowerBound(character);
            _high = character == char.MaxValue ? _high : LowerBound((char)(character + 1));
            _depth++;
            return _low < _high;
        }

        public readonly bool TryMatch(out int value)
        {
            bool found = _low < _high && index._keys[_low].Length == _depth;
            value = found ? index._values[_low] : -1;
            return found;
        }

        private readonly int LowerBound(char character)
        {
            int low = _low, high = _high;
            while (low < high)
            {
                int middle = (low + high) >>> 1;
                string key = index._keys[middle];
                if (key.Length <= _depth || key[_depth] < character)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }
            return low;
        }
    }
}
