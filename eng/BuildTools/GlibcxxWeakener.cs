using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Peft.BuildTools;

/// <summary>
/// libLibTorchSharp.so names GLIBCXX_3.4.32 among the versions it needs, yet uses nothing of it. Marking that need weak
/// (one flag in the ELF's .gnu.version_r section) lets the library load where libstdc++ is older (Debian 12, Ubuntu 22.04).
/// Nothing is changed where the host's libstdc++ has the version.
/// </summary>
internal static class GlibcxxWeakener
{
    private const string Version = "GLIBCXX_3.4.32";
    private const uint VersionNeedSection = 0x6ffffffe;
    private const ushort WeakFlag = 2;

    private static readonly string[] LibraryFolders =
    [
        "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/lib",
    ];

    public static int Run(IReadOnlyList<string> libraries)
    {
        if (!OperatingSystem.IsLinux() || HostHasVersion())
            return 0;
        foreach (string library in libraries)
        {
            byte[] image = File.ReadAllBytes(library);
            if (!TryWeaken(image, out bool changed))
            {
                Console.Error.WriteLine($"{library}: not a 64-bit little-endian ELF file with a version section; left as it is.");
                return 1;
            }
            if (!changed)
                continue;
            string partial = library + ".patched";
            File.WriteAllBytes(partial, image);
            File.Move(partial, library, overwrite: true);
            Console.WriteLine($"{library}: {Version} marked weak, since this machine's libstdc++ lacks it.");
        }
        return 0;
    }

    private static bool HostHasVersion()
    {
        var wanted = Encoding.ASCII.GetBytes(Version);
        var found = LibraryFolders.Select(folder => Path.Combine(folder, "libstdc++.so.6")).FirstOrDefault(File.Exists);
        return found is not null && File.ReadAllBytes(found).AsSpan().IndexOf(wanted) >= 0;
    }

    private static bool TryWeaken(byte[] image, out bool changed)
    {
        changed = false;
        if (image.Length < 64 || !image.AsSpan(0, 6).SequenceEqual("\u007fELF\u0002\u0001"u8))
            return false;
        int sectionTable = checked((int)U64(0x28));
        int entrySize = U16(0x3A), entries = U16(0x3C);
        for (int i = 0; i < entries; i++)
        {
            int section = sectionTable + i * entrySize;
            if (U32(section + 4) != VersionNeedSection)
                continue;
            int names = checked((int)U64(sectionTable + (int)U32(section + 40) * entrySize + 24));
            changed |= WeakenNeeds(checked((int)U64(section + 24)), names);
            return true;
        }
        return false;

        bool WeakenNeeds(int need, int names)
        {
            bool any = false;
            for (uint next = 1; next != 0; need += (int)next)
            {
                int aux = need + (int)U32(need + 8);
                for (int k = U16(need + 2); k > 0; k--, aux += (int)U32(aux + 12))
                {
                    int name = names + (int)U32(aux + 8);
                    int length = image.AsSpan(name).IndexOf((byte)0);
                    if (Encoding.ASCII.GetString(image, name, length) != Version || (U16(aux + 4) & WeakFlag) != 0)
                        continue;
                    BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(aux + 4), (ushort)(U16(aux + 4) | WeakFlag));
                    any = true;
                }
                next = U32(need + 12);
            }
            return any;
        }

        ushort U16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at));
        uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(at));
        ulong U64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(at));
    }
}
