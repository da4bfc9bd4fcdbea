namespace Microsoft.ML.Peft.Persistence;

/// <summary>Hands a resource over to what is made of it.</summary>
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
}
