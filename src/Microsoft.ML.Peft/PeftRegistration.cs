using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Bottleneck;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.Peft.Tuners.Ia3;
using Microsoft.ML.Peft.Tuners.LayerNorms;
using Microsoft.ML.Peft.Tuners.Lora;

[assembly: Registration<PeftRegistration>]

namespace Microsoft.ML.Peft;

/// <summary>What this library brings. The keys stand in archives: they never change.</summary>
internal sealed class PeftRegistration : IRegistration
{
    public void Register(Registry registry)
    {
        Models(registry);
        Tuners(registry);
        Tasks(registry);
        registry.AddProcessor("text", (_, files) => TextProcessor.Of(files));
    }

    private static void Models(Registry registry)
    {
        registry.AddModel("bert", "Bert", ["bert"], (config, weights) => new Bert(config, weights));
        registry.AddModel("glm", "GLM", ["glm"], (config, weights) => new Glm(config, weights));
        registry.AddModel("gpt2", "GPT2", ["transformer"], (config, weights) => new Gpt2(config, weights));
        registry.AddModel("llama", "Llama", ["model"], (config, weights) => new Llama(config, weights));
        registry.AddModel("opt", "OPT", ["model"], (config, weights) => new Opt(config, weights));
        registry.AddModel("qwen2", "Qwen2", ["model"], (config, weights) => new Qwen2(config, weights));
        registry.AddModel("roberta", "Roberta", ["roberta"], (config, weights) => new Roberta(config, weights));
        registry.AddModel("t5", "T5", ["encoder", "decoder", "shared"], (config, weights) => new T5(config, weights));
        registry.Add(new LayoutEntry(new GlmLayout()));
        registry.Add(new GgufEntry(new GgufBert()));
        registry.Add(new GgufEntry(new GgufGpt2()));
        registry.Add(new GgufEntry(new GgufLlama()));
        registry.Add(new GgufEntry(new GgufQwen2()));
    }

    private static void Tuners(Registry registry)
    {
        registry.AddTuner<LoraOptions>("lora", new(LoraOptions.PeftType, LoraConfigFile.Read), new(LoraGguf.Type, (file, _) => LoraGguf.Read(file)));
        registry.AddTuner<FullOptions>("full");
        registry.AddTuner<LinearProbeOptions>("linear-probe");
        registry.AddTuner<FrozenOptions>("frozen");
        registry.AddTuner<BottleneckOptions>("bottleneck", isServed: false);
        registry.AddTuner<Ia3Options>("ia3", new(Ia3Options.PeftType, Ia3Options.Read), isServed: false);
        registry.AddTuner<LayerNormOptions>("layer-norms", new(LayerNormOptions.PeftType, LayerNormOptions.Read), isServed: false);
        registry.AddTuner<PrefixOptions>("prefix", new(PrefixOptions.Type, VirtualTokenOptions.Read<PrefixOptions>));
        registry.AddTuner<PTuningOptions>("p-tuning", new(PTuningOptions.Type, VirtualTokenOptions.Read<PTuningOptions>));
        registry.AddTuner<PromptOptions>("prompt", new(PromptOptions.Type, VirtualTokenOptions.Read<PromptOptions>));
    }

    private static void Tasks(Registry registry)
    {
        registry.AddTask<BinaryTextClassificationTask>("binary-text-classification");
        registry.AddTask<BlankInfillingTask>("blank-infilling");
        registry.AddTask<CausalLanguageModelTask>("causal-language-modelling");
        registry.AddTask<ChatTask>("chat");
        registry.AddTask<ClozeClassificationTask>("cloze-classification");
        registry.AddTask<FactualProbingTask>("factual-probing");
        registry.AddTask<FillBlanksTask>("fill-blanks");
        registry.AddTask<MaskedLanguageModelTask>("masked-language-modelling");
        registry.AddTask<QuestionAnswerTask>("question-answer");
        registry.AddTask<SeveralTasks>("several");
        registry.AddTask<TextClassificationTask>("text-classification");
        registry.AddTask<TextEmbeddingTask>("text-embedding");
        registry.AddTask<TextGenerationTask>("text-generation");
        registry.AddTask<TokenClassificationTask>("token-classification");
    }
}
