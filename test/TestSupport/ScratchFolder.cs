namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder outside the repository (none of its MSBuild files reach in), gone when disposed.</summary>
public sealed class ScratchFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("peft-scratch-").FullName;

    public string Folder(string name) => Directory.CreateDirectory(Path.Combine(Root, name)).FullName;

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
