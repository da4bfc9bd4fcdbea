using Google.Protobuf;

namespace Microsoft.ML.Peft.Tokenization;

internal enum PieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

internal readonly record struct SentencePiece(string Text, float Score, PieceType Type);

/// <summary>The parts of SentencePiece's ModelProto that encoding and decoding need.</summary>
internal sealed class SentencePieceModel
{
    private const int Unigram = 1;
    private const int Bpe = 2;

    private int _type = Unigram;

    public List<SentencePiece> Pieces { get; } = [];

    public bool IsUnigram => _type == Unigram;

    public bool ByteFallback { get; private set; }

    public string UnknownSurface { get; private set; } = " \u2047 ";

    public int UnknownId { get; private set; }

    public int BosId { get; private set; } = 1;

    public int EosId { get; private set; } = 2;

    public int PadId { get; private set; } = -1;

    public byte[] CharacterMap { get; private set; } = [];

    public bool AddDummyPrefix { get; private set; } = true;

    public bool RemoveExtraSpaces { get; private set; } = true;

    public bool EscapeSpaces { get; private set; } = true;

    public static SentencePieceModel Read(TokenizerFile source)
    {
        string file = source.Description;
        SentencePieceModel model = new();
        try
        {
            model.ReadFields(source.Read());
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or IOException and not FileNotFoundException)
        {
            throw new InvalidDataException($"{file}: no SentencePiece model: {exception.Message}", exception);
        }
        model.Check(file);
        return model;
    }

    private void Check(string file)
    {
        if (Pieces.Count == 0)
        {
            throw new InvalidDataException($"{file}: pieces: the model has none");
        }
        if (_type is not (Unigram or Bpe))
        {
            throw new NotSupportedException($"{file}: trainer_spec.model_type: only BPE and unigram models are supported, not {_type}");
        }
        if (Pieces.Any(piece => float.IsNaN(piece.Score)))
        {
            throw new InvalidDataException($"{file}: pieces: a score is not a number");
        }
        UnknownId = Pieces.FindIndex(piece => piece.Type == PieceType.Unknown);
        if (UnknownId < 0)
        {
            throw new InvalidDataException($"{file}: pieces: none stands for the unknown");
        }
    }

    private void ReadFields(byte[] bytes) => Fields(bytes, (field, input) =>
    {
        switch (field)
        {
            case 1:
                Pieces.Add(ReadPiece(input.ReadBytes()));
                return true;
            case 2:
                Fields(input.ReadBytes().ToByteArray(), ReadTrainer);
                return true;
            case 3:
                Fields(input.ReadBytes().ToByteArray(), ReadNormalizer);
                return true;
            default:
                return false;
        }
    });

    private static SentencePiece ReadPiece(ByteString bytes)
    {
        (string text, float score, PieceType type) = ("", 0, PieceType.Normal);
        Fields(bytes.ToByteArray(), (field, input) =>
        {
            switch (field)
            {
                case 1:
                    text = input.ReadString();
                    return true;
                case 2:
                    score = input.ReadFloat();
                    return true;
                case 3:
                    type = (PieceType)input.ReadEnum();
                    return true;
                default:
                    return false;
            }
        });
        return new SentencePiece(text, score, type);
    }

    private bool ReadTrainer(int field, CodedInputStream input)
    {
        switch (field)
        {
            case 3:
                _type = input.ReadEnum();
                return true;
            case 24 when input.ReadBool():
                throw new NotSupportedException("SentencePiece models with treat_whitespace_as_suffix are not supported");
            case 24:
                return true;
            case 35:
                ByteFallback = input.ReadBool();
                return true;
            case 41:
                BosId = input.ReadInt32();
                return true;
            case 42:
                EosId = input.ReadInt32();
                return true;
            case 43:
                PadId = input.ReadInt32();
                return true;
            case 44:
                UnknownSurface = input.ReadString();
                return true;
            default:
                return false;
        }
    }

    private bool ReadNormalizer(int field, CodedInputStream input)
    {
        switch (field)
        {
            case 2:
                CharacterMap = input.ReadBytes().ToByteArray();
                return true;
            case 3:
                AddDummyPrefix = input.ReadBool();
                return true;
            case 4:
                RemoveExtraSpaces = input.ReadBool();
                return true;
            case 5:
                EscapeSpaces = input.ReadBool();
                return true;
            default:
                return false;
        }
    }

    /// <summary>Visits the fields of a message; those that the visitor does not read are skipped.</summary>
    private static void Fields(byte[] message, Func<int, CodedInputStream, bool> visit)
    {
        CodedInputStream input = new(message);
        while (input.ReadTag() is not 0 and var tag)
        {
            if (!visit(WireFormat.GetTagFieldNumber(tag), input))
            {
                input.SkipLastField();
            }
        }
    }
}
