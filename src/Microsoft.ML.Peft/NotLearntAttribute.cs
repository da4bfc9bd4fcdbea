namespace Microsoft.ML.Peft;

/// <summary>
/// Marks a setting that cannot change what a run learns, or whose effect is told by something else (rows, weights). All others
/// belong to the run: it does not resume under another value.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NotLearntAttribute : Attribute;
