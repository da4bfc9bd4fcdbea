namespace Microsoft.ML.Peft.Tokenization;

/// <summary>The tokens of a text that is written behind another.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Starts">Where each begins in the text.</param>
/// <param name="Splits">
/// Whether the two, had they come as one text, would have other tokens where they meet: such a model has seldom seen the tokens that it
/// meets here.
/// </param>
internal readonly record struct Continuation(int[] Ids, int[] Starts, bool Splits);
