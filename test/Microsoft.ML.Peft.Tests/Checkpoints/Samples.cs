using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Folders and files for the tests of this folder.</summary>
internal static class Samples
{
    /// <summary>The folder of all parity cases; inconclusive where it is absent.</summary>
    public static string Parity()
    {
        SharedData.RequireFolder(SharedData.Parity);
        return SharedData.Parity;
    }

    /// <summary>A file of a parity case; inconclusive where the case is absent.</summary>
    public static string Parity(string name, params string[] parts) => SharedData.Require(Path.Combine(SharedData.Parity, name), parts);

    /// <summary>The folder of a stored model; inconclusive where it is absent.</summary>
    public static string Model(string name)
    {
        string folder = Path.Combine(SharedData.Models, name);
        SharedData.RequireFolder(folder);
        return folder;
    }

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
}
