namespace Microsoft.ML.Peft.Persistence;

/// <summary>What happens when making something fails.</summary>
internal static class Failure
{
    /// <summary>Makes something that owns the resource; disposes the resource when that fails.</summary>
    public static T Disposes<T>(IDisposable resource, Func<T> make)
    {
        try
        {
            return make();
        }
        catch
        {
            resource.Dispose();
            throw;
        }
    }

    /// <summary>Makes something of what an archive says; values that no program could have saved make the archive invalid.</summary>
    /// <exception cref="InvalidDataException">A value does not fit.</exception>
    public static T IsInvalidData<T>(string what, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException or ArithmeticException)
        {
            throw new InvalidDataException($"{what} does not fit: {e.Message}", e);
        }
    }
}
