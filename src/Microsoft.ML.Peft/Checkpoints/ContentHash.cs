using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>SHA-256 of weights: of their files' bytes, or of the tensors where there are no files.</summary>
internal static class ContentHash
{
    public static string Of(ITensorSource source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (source.Files.Count > 0)
            HashFiles(hash, source.Files);
        else
            HashTensors(hash, source);
        return Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
    }

    private static void HashFiles(IncrementalHash hash, IReadOnlyList<FileRegion> files)
    {
        var buffer = new byte[1 << 20];
        foreach (FileRegion region in files)
        {
            using FileStream stream = File.OpenRead(region.Path);
            stream.Position = region.Offset;
            for (long left = region.Length; left > 0;)
            {
                int read = stream.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
                if (read == 0)
                    throw Malformed.File(region.Path, $"{region.Length} bytes at {region.Offset}", $"{left} fewer");
                hash.AppendData(buffer, 0, read);
                left -= read;
            }
        }
    }

    private static void HashTensors(IncrementalHash hash, ITensorSource source)
    {
        foreach (string name in source.Names.Order(StringComparer.Ordinal))
        {
            using Tensor tensor = source.Read(name);
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}:{tensor.dtype}:{Malformed.Shape(tensor.Sizes())}\n"));
            NativeTensor.VisitBytes(tensor, hash.AppendData);
        }
    }
}
