namespace Microsoft.ML.Peft;

/// <summary>What a merge lost of one matrix's update.</summary>
/// <param name="Name">The weight.</param>
/// <param name="SurvivingShare">⟨Q' - Q, Δ⟩ / ⟨Δ, Δ⟩; 1 for an update of nothing.</param>
/// <param name="Error">‖Q' - Q - Δ‖ / ‖Δ‖; 0 for an update of nothing.</param>
public sealed record MergedMatrix(string Name, double SurvivingShare, double Error);
