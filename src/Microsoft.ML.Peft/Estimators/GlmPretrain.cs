using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft;

/// <summary>
/// Pretrains a GLM by blank infilling (Du et al. 2022), from scratch or further: parts of texts are taken out and written again, token by token, from
/// what stands on both sides.
/// </summary>
public sealed class GlmPretrain : FineTuneEstimator
{
    internal GlmPretrain(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="GlmPretrain"/>. The task is <see cref="PeftTask.BlankInfilling"/>, with its usual shares of blanks where none is given.</summary>
    public sealed class Options : WholeModelOptions
    {
        /// <summary>Settings with the usual task.</summary>
        public Options() => Task = PeftTask.BlankInfilling();

        private protected override TrainingDefaults Defaults => new(LearningRate: 4e-4);

        internal override void Validate()
        {
            base.Validate();
            if (Task is not BlankInfillingTask)
                throw new ArgumentException($"{nameof(GlmPretrain)} learns by '{nameof(PeftTask)}.{nameof(PeftTask.BlankInfilling)}'; {nameof(Task)} is '{Task!.Key}'.", nameof(Task));
        }
    }
}
