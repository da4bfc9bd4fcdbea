namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Puts the place in front of what a part complains about, as the part itself does not know where it was read.</summary>
internal static class Located
{
    public static T In<T>(string place, Func<T> construct)
    {
        try
        {
            return construct();
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{place}: {exception.Message}", exception);
        }
    }
}
