using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;
using UserAssembly;

[assembly: Registration<UserRegistration>]

namespace UserAssembly;

/// <summary>What this assembly brings. The tuner's key is one of the library's too: archives tell them apart by the assembly.</summary>
internal sealed class UserRegistration : IRegistration
{
    public void Register(Registry registry)
    {
        registry.AddModel(
            "bag", "BagOfWords", [new BaseRole("words", ["words"]), new BaseRole("mixer", ["mixer"])], (config, weights) => new BagOfWords(config, weights));
        registry.AddTuner<AddedBiasOptions>("lora");
        registry.AddTask<StarsTask>("stars");
    }
}
