namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>Qwen2 and 2.5: LLaMA's names, queries and keys as they are.</summary>
internal sealed class GgufQwen2 : RotaryDecoder
{
    public override string Key => "qwen2";

    protected override string ClassName => "Qwen2ForCausalLM";
}
