using System.Reflection;
using System.Runtime.ExceptionServices;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Persistence;

namespace Microsoft.ML;

/// <summary>Saving that leaves either the old file or the whole new one, and loading whose errors are the errors themselves.</summary>
public static class PeftModelExtensions
{
    /// <summary>
    /// Saves a model so that a crash, a full disk or a failing write never costs the file that was there: it is written beside
    /// the target, flushed to the disk, reopened, checked entry by entry (length and CRC-32) and then renamed.
    /// </summary>
    /// <remarks><c>Save(..., path)</c> of ML.NET empties the target first and swallows errors on closing.</remarks>
    /// <param name="catalog">The catalog <c>mlContext.Model</c>.</param>
    /// <param name="model">The model, of this library or not.</param>
    /// <param name="inputSchema">The columns that the model reads; null if they are not known.</param>
    /// <param name="filePath">The target.</param>
    /// <exception cref="IOException">Writing failed; the target is as it was.</exception>
    /// <exception cref="InvalidDataException">What was written does not read back; the target is as it was.</exception>
    public static void SaveAtomically(this ModelOperationsCatalog catalog, ITransformer model, DataViewSchema? inputSchema, string filePath)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(filePath);
        SaveAtomically(catalog, model, inputSchema, filePath, AtomicFile.Create);
    }

    /// <summary>
    /// Loads a model as <c>Load</c> of ML.NET does, which calls this library by reflection and hands its errors on inside two
    /// <see cref="TargetInvocationException"/>s: here they come as they are.
    /// </summary>
    /// <param name="catalog">The catalog <c>mlContext.Model</c>.</param>
    /// <param name="filePath">The file.</param>
    /// <param name="inputSchema">The columns that the model reads; null if they were not saved.</param>
    /// <returns>The model, of this library or not.</returns>
    /// <exception cref="InvalidDataException">The file is newer than the library or damaged, or its base is another one.</exception>
    /// <exception cref="NotSupportedException">It holds what this version of the library does not know.</exception>
    /// <exception cref="FileNotFoundException">The file, or the base that it refers to, is not there.</exception>
    public static ITransformer LoadUnwrapped(this ModelOperationsCatalog catalog, string filePath, out DataViewSchema? inputSchema)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(filePath);
        try
        {
            return catalog.Load(filePath, out inputSchema);
        }
        catch (TargetInvocationException e)
        {
            Exception error = e;
            while (error is TargetInvocationException { InnerException: { } inner })
                error = inner;
            ExceptionDispatchInfo.Throw(error);
            throw;
        }
    }

    internal static void SaveAtomically(
        ModelOperationsCatalog catalog, ITransformer model, DataViewSchema? inputSchema, string filePath, Func<string, FileStream> create) =>
        AtomicFile.Replace(filePath, stream => catalog.Save(model, inputSchema, stream), ZipVerifier.Verify, create);
}
