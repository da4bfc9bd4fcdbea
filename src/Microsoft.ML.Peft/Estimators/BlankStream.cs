using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Blanks that are filled while somebody reads along.</summary>
internal static class BlankStream
{
    /// <exception cref="NotSupportedException">The task fills no blanks.</exception>
    public static IAsyncEnumerable<BlankUpdate> Read(Scorer scorer, string text, CancellationToken token)
    {
        scorer.Host.Check();
        IStreamsBlanks task = scorer.Task as IStreamsBlanks ?? throw new NotSupportedException(
            $"The transformer's task is '{scorer.Task.Task.Key}': '{nameof(PeftTask)}.{nameof(PeftTask.FillBlanks)}' fills the blanks of texts.");
        Example row = task.ReadForStream(text);
        return new TextChannel<BlankUpdate>((write, stop) =>
        {
            using ModelLease lease = scorer.Host.Enter(AdapterChoice.Active);
            using var scope = NewDisposeScope();
            using var noGradient = inference_mode();
            using Batch batch = scorer.Task.Processor.Collate([row], scorer.Model.Model.Weights.Device, withLabels: false);
            ForwardContext context = lease.Context();
            using AdapterRows? byRow = context.Rows;
            task.Stream(scorer.Model, batch, context, write, stop);
        }).ReadAsync(token);
    }
}
