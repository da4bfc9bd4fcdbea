using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// What takes part in training beyond weights and loss: a tuner, a task or a model that implements it is asked at every step
/// (AdaLoRA's budget and its orthogonality term, momentum copies, queues of features).
/// </summary>
internal interface ITrainingParticipant
{
    /// <summary>A term that is added to the step's mean loss, as a scalar of the caller's scope; null for none.</summary>
    /// <param name="step">The step, from 0.</param>
    Tensor? LossTerm(int step) => null;

    /// <summary>Acts after an update; the step's gradients, summed over all that the loss counts, are there still.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="totalSteps">The steps of the whole run.</param>
    void AfterStep(int step, int totalSteps) { }

    /// <summary>What a resumed run needs beside the weights, by name.</summary>
    IReadOnlyList<(string Name, Tensor Value)> State => [];

    /// <summary>Takes the state of an interrupted run up.</summary>
    /// <param name="state">Every tensor of <see cref="State"/> by its name; the caller's.</param>
    void Restore(IReadOnlyDictionary<string, Tensor> state) { }
}
