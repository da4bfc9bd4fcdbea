namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>What the layout of rotary weights depends on.</summary>
internal interface IGgufHeads
{
    int Heads { get; }

    int KeyValueHeads { get; }
}

/// <summary>The same out of a config.json.</summary>
internal sealed class HfHeads(HfConfig config) : IGgufHeads
{
    public int Heads => config.Int("num_attention_heads");

    public int KeyValueHeads => config.Int("num_key_value_heads", Heads);
}
