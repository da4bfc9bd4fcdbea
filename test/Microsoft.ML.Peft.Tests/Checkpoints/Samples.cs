using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Folders and files for the tests of this folder.</summary>
internal static class Samples
{
    /// <summary>A file of the parity cases; inconclusive where they are absent.</summary>
    public static string Parity(params string[] parts)
    {
        string root = Environment.GetEnvironmentVariable("PARITY_ROOT") ?? Path.Combine(Repository(), "..", "shared", "parity");
        return Existing(Path.Combine([root, .. parts]), "set PARITY_ROOT");
    }

    /// <summary>A file of a stored model; inconclusive where it is absent.</summary>
    public static string Model(params string[] parts) =>
        Existing(Path.Combine([Parity(), "..", "data", "models", .. parts]), "set PARITY_ROOT to the folder beside data/");

    /// <summary>A new folder under the test run's own.</summary>
    public static string NewFolder(TestContext context)
    {
        string folder = Path.Combine(context.TestRunDirectory!, Guid.NewGuid().ToString("N"));
        return Directory.CreateDirectory(folder).FullName;
    }

    /// <summary>The bytes of a safetensors file with this header and this much data.</summary>
    public static byte[] Safetensors(string header, int dataLength)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[sizeof(long) + json.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, sizeof(long));
        return file;
    }

    private static string Existing(string path, string remedy)
    {
        if (!Path.Exists(path))
            Assert.Inconclusive($"{path} is absent; {remedy} to run this test.");
        return path;
    }

    private static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Extensions.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? AppContext.BaseDirectory;
    }
}
