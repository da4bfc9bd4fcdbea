namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>LLaMA, and Mistral, which llama.cpp calls so too. Its converter interleaves the rotary halves of queries and keys.</summary>
internal sealed class GgufLlama : RotaryDecoder
{
    public override string Key => "llama";

    protected override string ClassName => "LlamaForCausalLM";

    protected override Arrangement Rotated(int heads) => Arrangement.Interleaved(heads);
}
