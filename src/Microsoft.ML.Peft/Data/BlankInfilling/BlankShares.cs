using System.Globalization;

namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>How often a text is blanked in which way.</summary>
/// <param name="Tokens">Short blanks.</param>
/// <param name="Sentences">Whole sentences.</param>
/// <param name="Document">One blank of half the text or more.</param>
internal sealed record BlankShares(double Tokens, double Sentences, double Document)
{
    private const double Tolerance = 1e-6;

    /// <exception cref="ArgumentException">A share is negative, or they are not 1 together.</exception>
    public void Check()
    {
        bool isShare = Tokens >= 0 && Sentences >= 0 && Document >= 0 && Math.Abs(Tokens + Sentences + Document - 1) <= Tolerance;
        if (!isShare)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"The shares of blanks must be 0 or more and 1 together: tokens {Tokens}, sentences {Sentences}, document {Document} are {Tokens + Sentences + Document}."));
        }
    }
}
