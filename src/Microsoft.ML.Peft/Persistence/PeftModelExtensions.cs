using Microsoft.ML.Peft.Persistence;

namespace Microsoft.ML;

/// <summary>Saving that leaves either the old file or the whole new one.</summary>
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
        SaveAtomically(catalog, model, inputSchema, filePath, path => new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite));
    }

    internal static void SaveAtomically(
        ModelOperationsCatalog catalog, ITransformer model, DataViewSchema? inputSchema, string filePath, Func<string, FileStream> create) =>
        AtomicFile.Replace(filePath, stream => catalog.Save(model, inputSchema, stream), ZipVerifier.Verify, create);
}
