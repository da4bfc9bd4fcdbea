using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace UserAssembly;

/// <summary>The door to what this assembly brings.</summary>
public static class BagExtensions
{
    /// <summary>Lets a bag of words learn how many stars a text gives.</summary>
    /// <param name="context">The context.</param>
    /// <param name="model">The model's folder.</param>
    /// <param name="textColumnName">The text.</param>
    /// <param name="labelColumnName">The stars.</param>
    public static BagFineTune FineTuneBag(this MLContext context, string model, string textColumnName = "Text", string labelColumnName = "Number")
    {
        Registries.Shared.Include(typeof(BagExtensions).Assembly);
        return new BagFineTune(new PeftHost(context, nameof(BagFineTune)), new BagFineTune.Options
        {
            BaseModel = model,
            Task = new StarsTask { TextColumnName = textColumnName, LabelColumnName = labelColumnName },
        });
    }
}

/// <summary>Fine-tunes by added biases.</summary>
public sealed class BagFineTune : FineTuneEstimator
{
    internal BagFineTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="BagFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        internal override TunerOptions Tuner => new AddedBiasOptions();

        private protected override TrainingDefaults Defaults => new(LearningRate: 1e-1) { MaxEpochs = 5 };
    }
}
