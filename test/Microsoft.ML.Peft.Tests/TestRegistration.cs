using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tests;
using Microsoft.ML.Peft.Tests.Persistence;
using Microsoft.ML.Peft.Tests.Tasks;

[assembly: Registration<TestRegistration>]

namespace Microsoft.ML.Peft.Tests;

/// <summary>Tasks of the tests' own.</summary>
internal sealed class TestRegistration : IRegistration
{
    public void Register(Registry registry)
    {
        registry.AddTask<WindowTaskTests.WindowTask>("windows");
        registry.AddTask<RegressionTaskTests.RatingTask>("rating");
        registry.AddTask<ProcessorArchiveTests.EncodedTask>("encoded");
        registry.AddProcessor("encoded", (settings, files) => new ProcessorArchiveTests.EncodedTexts(TextProcessor.Of(files), (string)settings["opening"]!));
    }
}
