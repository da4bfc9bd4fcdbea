namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>A folder outside the repository (none of its MSBuild files reach in), gone when disposed.</summary>
internal sealed class ScratchFolder : IDisposable
{
    internal string Root { get; } = Directory.CreateTempSubdirectory("peft-scratch-").FullName;

    internal string Folder(string name) => Directory.CreateDirectory(Path.Combine(Root, name)).FullName;

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
