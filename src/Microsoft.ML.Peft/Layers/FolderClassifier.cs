namespace Microsoft.ML.Peft.Layers;

/// <summary>A classifier in a checkpoint.</summary>
/// <param name="Name">Its matrix, or a weight that stands in its place.</param>
/// <param name="Classes">The rows of its matrix; 0 where it has another form.</param>
internal sealed record FolderClassifier(string Name, int Classes);
