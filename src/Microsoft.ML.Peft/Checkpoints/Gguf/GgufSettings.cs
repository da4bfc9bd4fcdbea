namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>The hyperparameters of a GGUF file, which lie under the name of its architecture.</summary>
internal sealed class GgufSettings(GgufFile file, string architecture) : IGgufHeads
{
    public GgufFile File { get; } = file;

    public string Description => File.Description;

    public int Heads => Positive("attention.head_count");

    public int KeyValueHeads => File.Metadata.Has(Key("attention.head_count_kv")) ? Positive("attention.head_count_kv") : Heads;

    /// <summary>The rows of the token table.</summary>
    public long Vocabulary => File.Has(GgufArchitecture.TokenTable) ? File.ShapeOf(GgufArchitecture.TokenTable)[0]
        : throw Malformed.NoTensor(Description, GgufArchitecture.TokenTable);

    public string Key(string name) => $"{architecture}.{name}";

    public int Positive(string name) => Required(name, Integer(name));

    public int? Integer(string name) => File.Metadata.Integer(Key(name)) is not { } number ? null
        : number is > 0 and <= int.MaxValue ? (int)number
        : throw Malformed.File(Description, $"an integer from 1 to 2^31 - 1 under '{Key(name)}'", $"{number}");

    public double Number(string name) =>
        File.Metadata.Number(Key(name)) ?? throw Malformed.File(Description, $"a number under '{Key(name)}'", "nothing");

    public double? OptionalNumber(string name) => File.Metadata.Number(Key(name));

    public string? Text(string name) => File.Metadata.Text(Key(name));

    private int Required(string name, int? value) => value ?? throw Malformed.File(Description, $"an integer under '{Key(name)}'", "nothing");
}
