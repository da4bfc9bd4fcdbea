using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// Reads the pickles that <c>torch.save</c> writes for state dicts, and <c>torch.jit.save</c> for modules (protocol 2). Any global but
/// the few that such pickles need is refused, and a module's class is but a name, so nothing in the file is ever run. Values are null,
/// bool, long, double, string, <see cref="List{T}"/>, arrays (for tuples), dictionaries and the types of PickledValues.cs.
/// </summary>
internal ref struct PickleReader
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly string _file;
    private readonly Stack<List<object?>> _marked = [];
    private readonly Dictionary<int, object?> _memo = [];
    private List<object?> _stack = [];
    private int _at;

    private PickleReader(ReadOnlySpan<byte> bytes, string file)
    {
        _bytes = bytes;
        _file = file;
    }

    /// <summary>The value at the start of <paramref name="bytes"/>, and how many bytes it took.</summary>
    public static object? Read(ReadOnlySpan<byte> bytes, string file, out int consumed)
    {
        var reader = new PickleReader(bytes, file);
        while (reader.Take(1)[0] is var code && code != '.')
            reader.Step(code);
        object? value = reader.Pop();
        consumed = reader._at;
        return value;
    }

    private void Step(byte code)
    {
        switch (code)
        {
            case 0x80: CheckProtocol(Take(1)[0]); break;
            case (byte)'c': Push(PickledTypes.Global(Line(), Line(), _file)); break;
            case (byte)'(': _marked.Push(_stack); _stack = []; break;
            case (byte)')': Push(Array.Empty<object?>()); break;
            case (byte)'}': Push(new Dictionary<object, object?>()); break;
            case (byte)']': Push(new List<object?>()); break;
            case (byte)'N': Push(null); break;
            case 0x88: Push(true); break;
            case 0x89: Push(false); break;
            case (byte)'J' or (byte)'K' or (byte)'M' or 0x8a or (byte)'G': Push(Number(code)); break;
            case (byte)'X' or (byte)'U' or (byte)'T': Push(Text(code)); break;
            case (byte)'q' or (byte)'r': _memo[Index(code == 'q')] = Peek(); break;
            case (byte)'h' or (byte)'j': Push(Recall(Index(code == 'h'))); break;
            case (byte)'t': Push(PopMark().ToArray()); break;
            case 0x85 or 0x86 or 0x87: PopTuple(code - 0x84); break;
            case (byte)'a' or (byte)'e' or (byte)'s' or (byte)'u': Fill(code); break;
            case (byte)'Q': Push(PickledTypes.Storage(Pop(), _file)); break;
            case (byte)'R': Reduce(); break;
            case 0x81: Push(PickledTypes.New(As<object?[]>(Pop()), As<PickledGlobal>(Pop()), _file)); break;
            case (byte)'b': Build(); break;
            default: throw Malformed.File(_file, "a pickle of a state dict (protocol 2)", $"opcode 0x{code:x2} at {_at - 1}");
        }
    }

    private readonly void CheckProtocol(byte protocol)
    {
        if (protocol != 2)
            throw new NotSupportedException($"{_file}: pickle protocol {protocol} is not read, only 2, which torch.save writes.");
    }

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count < 0 || count > _bytes.Length - _at)
            throw Malformed.File(_file, $"{count} more bytes of pickle at {_at}", $"{_bytes.Length - _at}");
        ReadOnlySpan<byte> taken = _bytes.Slice(_at, (int)count);
        _at += (int)count;
        return taken;
    }

    private string Line()
    {
        int length = _bytes[_at..].IndexOf((byte)'\n');
        if (length < 0)
            throw Malformed.File(_file, $"a line of pickle at {_at}", "no end of it");
        string line = Encoding.UTF8.GetString(Take(length));
        _at++;
        return line;
    }

    private object Number(byte code) => code switch
    {
        (byte)'J' => (long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)),
        (byte)'K' => (long)Take(1)[0],
        (byte)'M' => (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)),
        (byte)'G' => BinaryPrimitives.ReadDoubleBigEndian(Take(8)),
        _ => LongInteger(Take(Take(1)[0])),
    };

    // Only the magic number of files before PyTorch 1.6 is longer than 64 bits.
    private static object LongInteger(ReadOnlySpan<byte> bytes) =>
        bytes.Length <= sizeof(long) ? (long)new BigInteger(bytes) : new BigInteger(bytes);

    private string Text(byte code)
    {
        long length = code == 'U' ? Take(1)[0] : BinaryPrimitives.ReadInt32LittleEndian(Take(4));
        return Encoding.UTF8.GetString(Take(length));
    }

    private int Index(bool isShort) => isShort ? Take(1)[0] : BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    private readonly object? Recall(int index) => _memo.TryGetValue(index, out object? value)
        ? value
        : throw Malformed.File(_file, $"memo {index} of the pickle to be set", "it is not");

    private readonly void Push(object? value) => _stack.Add(value);

    private readonly object? Peek() => _stack.Count > 0 ? _stack[^1] : throw Malformed.File(_file, "a value on the pickle's stack", "none");

    private readonly object? Pop()
    {
        object? value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private List<object?> PopMark()
    {
        List<object?> items = _stack;
        if (!_marked.TryPop(out List<object?>? below))
            throw Malformed.File(_file, "a mark on the pickle's stack", "none");
        _stack = below;
        return items;
    }

    private readonly void PopTuple(int count)
    {
        var items = new object?[count];
        for (int i = count - 1; i >= 0; i--)
            items[i] = Pop();
        Push(items);
    }

    private void Fill(byte code)
    {
        List<object?> items = code switch
        {
            (byte)'a' => [Pop()],
            (byte)'s' => [Pop(), Pop()],
            _ => PopMark(),
        };
        if (code == 's')
            items.Reverse();
        if (code is (byte)'a' or (byte)'e')
            As<List<object?>>(Peek()).AddRange(items);
        else
            FillDictionary(As<Dictionary<object, object?>>(Peek()), items);
    }

    private readonly void FillDictionary(Dictionary<object, object?> target, List<object?> items)
    {
        if (items.Count % 2 != 0)
            throw Malformed.File(_file, "pairs for a dictionary of the pickle", $"{items.Count} values");
        for (int i = 0; i < items.Count; i += 2)
        {
            if (items[i] is not (string or long or bool))
                throw Malformed.File(_file, "a string or integer as key", PickledTypes.Name(items[i]));
            target[items[i]!] = items[i + 1];
        }
    }

    private readonly void Reduce()
    {
        object?[] arguments = As<object?[]>(Pop());
        Push(PickledTypes.Call(As<PickledGlobal>(Pop()), arguments, _file));
    }

    private readonly void Build()
    {
        object? state = Pop();
        // Attributes of a state dict are versions of modules: not needed.
        if (Peek() is PickledObject built)
            built.Attributes = As<Dictionary<object, object?>>(state);
    }

    private readonly T As<T>(object? value) where T : class =>
        value as T ?? throw Malformed.File(_file, $"a {typeof(T).Name} in the pickle", PickledTypes.Name(value));
}
