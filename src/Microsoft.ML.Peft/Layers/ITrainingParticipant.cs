using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// What takes part in training beyond weights and loss: a tuner, a task or a model that implements it is asked at every step
/// (AdaLoRA's budget and its orthogonality term, momentum copies, queues of features).
/// </summary>
internal interface ITrainingParticipant
{
    /// <summary>Acts before a step's passes: what the model reads and chance decides (dropout before a leaf) is made now.</summary>
    /// <param name="step">The step, from 0.</param>
    void BeforeStep(int step) { }

    /// <summary>A term that is added to the step's mean loss, as a scalar of the caller's scope; null for none.</summary>
    /// <param name="step">The step, from 0.</param>
    Tensor? LossTerm(int step) => null;

    /// <summary>
    /// Acts when all of a step's backward passes have run, before gradients are clipped: who hands the model a leaf that it makes of what
    /// trains sends the leaf's gradient on, once a step.
    /// </summary>
    /// <param name="step">The step, from 0.</param>
    void AfterBackward(int step) { }

    /// <summary>Acts when the trained weights are others than before: at the start of a run, after an update, where the best ones come back.</summary>
    void WeightsChanged() { }

    /// <summary>Acts when the run has ended and the weights are what they will stay: what training alone needs may go.</summary>
    void AfterRun() { }

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
