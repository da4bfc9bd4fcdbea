namespace Microsoft.ML.Peft;

/// <summary>How the learning rate goes on after it was warmed up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Falls evenly to 0 at the last step.</summary>
    Linear,

    /// <summary>Falls to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts).</summary>
    Cosine,

    /// <summary>Stays as it is.</summary>
    Constant,
}
