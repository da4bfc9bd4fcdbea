using System.Reflection;

namespace Microsoft.ML.Peft;

/// <summary>Calls a generic method for a type that only the data knows.</summary>
internal static class Generic
{
    /// <param name="method">The static method for any one type, as a sample.</param>
    /// <param name="type">The type to call it for.</param>
    /// <param name="arguments">Its arguments.</param>
    public static TResult Invoke<TResult>(Delegate method, Type type, params object?[] arguments) =>
        (TResult)method.Method.GetGenericMethodDefinition().MakeGenericMethod(type)
            .Invoke(null, BindingFlags.DoNotWrapExceptions, null, arguments, null)!;
}
