namespace Microsoft.ML.Peft.Chat;

/// <summary>What <c>GetService</c> of Microsoft.Extensions.AI's interfaces answers.</summary>
internal static class Services
{
    /// <summary>The first of the objects that is of the type; null where there is none, or where a key is asked for.</summary>
    public static object? Find(Type serviceType, object? serviceKey, params object[] objects)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is null ? Array.Find(objects, serviceType.IsInstanceOfType) : null;
    }
}
