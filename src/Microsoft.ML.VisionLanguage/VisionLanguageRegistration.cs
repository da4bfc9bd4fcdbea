using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage;
using Microsoft.ML.VisionLanguage.Checkpoints;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using Microsoft.ML.VisionLanguage.Tasks;

[assembly: Registration<VisionLanguageRegistration>]

namespace Microsoft.ML.VisionLanguage;

/// <summary>What this library brings. The keys stand in archives: they never change.</summary>
internal sealed class VisionLanguageRegistration : IRegistration
{
    public void Register(Registry registry)
    {
        registry.AddModel("clip", "CLIP", Clip.BasePaths, (config, weights) => new Clip(config, weights));
        registry.AddModel("metaclip_2", "MetaClip2", Clip.BasePaths, (config, weights) => new Clip(config, weights));
        registry.AddModel("siglip", "Siglip", Siglip.BasePaths, (config, weights) => new Siglip(config, weights));
        // Before OpenAI's, whose names its tensors have too.
        registry.Add(new LayoutEntry(new OpenClipLayout()));
        registry.Add(new LayoutEntry(new OpenAiClipLayout()));
        registry.AddTask<PictureEmbeddingTask>("picture-embedding");
        registry.AddTask<ContrastiveTask>("contrastive");
        registry.AddTask<TowerTextEmbeddingTask>("tower-text-embedding");
        registry.AddTask<ZeroShotTask>("zero-shot");
        registry.AddTask<ImageTextScoringTask>("image-text-scoring");
        registry.AddTask<RetrievalTask>("retrieval");
        registry.AddTask<LinearProbeTask>("picture-linear-probe");
        registry.AddTask<LearnedPromptsTask>("learned-prompts");
        registry.AddProcessor("pictures", PictureProcessor.Of);
    }
}
