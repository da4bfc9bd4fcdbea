using System.IO.Compression;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>
/// Pickles as Python's own pickler writes them (protocol 2), of stand-ins for PyTorch's classes. The state dict has
/// w: floats 0..5 as [2, 3]; w.t: a parameter, floats 4..9 as the transpose [3, 2] at offset 4 of the same storage;
/// ids: [7, -8]; scalar: 9.
/// </summary>
internal static class Pickles
{
    /// <summary>The state dict, with module versions as an attribute.</summary>
    public static byte[] StateDict { get; } = Convert.FromBase64String(
        "gAJjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcQApUnEBKFgBAAAAd3ECY3RvcmNoLl91dGlscwpfcmVidWlsZF90ZW5zb3JfdjIKcQMoKFgHAAAAc3RvcmFn" +
        "ZXEEY3RvcmNoCkZsb2F0U3RvcmFnZQpxBVgBAAAAMHEGWAMAAABjcHVxB0sKdHEIUUsASwJLA4ZxCUsDSwGGcQqJaAApUnELdHEMUnENWAMAAAB3LnRxDmN0" +
        "b3JjaC5fdXRpbHMKX3JlYnVpbGRfcGFyYW1ldGVyCnEPaAMoKGgEaAVoBmgHSwp0cRBRSwRLA0sChnERSwFLA4ZxEoloAClScRN0cRRScRWIaAApUnEWh3EX" +
        "UnEYWAMAAABpZHNxGWgDKChoBGN0b3JjaApMb25nU3RvcmFnZQpxGlgBAAAAMXEbaAdLAnRxHFFLAEsChXEdSwGFcR6JaAApUnEfdHEgUnEhWAYAAABzY2Fs" +
        "YXJxImgDKChoBGgFaAZoB0sKdHEjUUsJKSmJaAApUnEkdHElUnEmdX1xJ1gJAAAAX21ldGFkYXRhcShoAClScSlYAAAAAHEqfXErWAcAAAB2ZXJzaW9ucSxL" +
        "AXNzc2Iu");

    /// <summary>The same under "state_dict", beside numbers, lists and tuples.</summary>
    public static byte[] Wrapped { get; } = Convert.FromBase64String(
        "gAJ9cQAoWAUAAABlcG9jaHEBSwNYAgAAAGxycQJHP+AAAAAAAABYBAAAAGRvbmVxA4lYBAAAAGFyZ3NxBF1xBShYAQAAAHhxBihLAUsCSwNLBHRxB05lWAoA" +
        "AABzdGF0ZV9kaWN0cQhjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcQkpUnEKKFgBAAAAd3ELY3RvcmNoLl91dGlscwpfcmVidWlsZF90ZW5zb3JfdjIKcQwo" +
        "KFgHAAAAc3RvcmFnZXENY3RvcmNoCkZsb2F0U3RvcmFnZQpxDlgBAAAAMHEPWAMAAABjcHVxEEsKdHERUUsASwJLA4ZxEksDSwGGcROJaAkpUnEUdHEVUnEW" +
        "WAMAAAB3LnRxF2N0b3JjaC5fdXRpbHMKX3JlYnVpbGRfcGFyYW1ldGVyCnEYaAwoKGgNaA5oD2gQSwp0cRlRSwRLA0sChnEaSwFLA4ZxG4loCSlScRx0cR1S" +
        "cR6IaAkpUnEfh3EgUnEhWAMAAABpZHNxImgMKChoDWN0b3JjaApMb25nU3RvcmFnZQpxI1gBAAAAMXEkaBBLAnRxJVFLAEsChXEmSwGFcSeJaAkpUnEodHEp" +
        "UnEqWAYAAABzY2FsYXJxK2gMKChoDWgOaA9oEEsKdHEsUUsJKSmJaAkpUnEtdHEuUnEvdX1xMFgJAAAAX21ldGFkYXRhcTFoCSlScTJYAAAAAHEzfXE0WAcA" +
        "AAB2ZXJzaW9ucTVLAXNzc2JYAQAAAG5xNkqQ7v7/dS4=");

    /// <summary>A whole file in the layout before PyTorch 1.6.</summary>
    public static byte[] Legacy { get; } = Convert.FromBase64String(
        "gAKKCmz8nEb5IGqoUBkugAJN6QMugAJ9cQAoWBAAAABwcm90b2NvbF92ZXJzaW9ucQFN6QNYDQAAAGxpdHRsZV9lbmRpYW5xAohYCgAAAHR5cGVfc2l6ZXNx" +
        "A31xBChYBQAAAHNob3J0cQVLAlgDAAAAaW50cQZLBFgEAAAAbG9uZ3EHSwR1dS6AAmNjb2xsZWN0aW9ucwpPcmRlcmVkRGljdApxAClScQEoWAEAAAB3cQJj" +
        "dG9yY2guX3V0aWxzCl9yZWJ1aWxkX3RlbnNvcl92MgpxAygoWAcAAABzdG9yYWdlcQRjdG9yY2gKRmxvYXRTdG9yYWdlCnEFWAEAAAAwcQZYAwAAAGNwdXEH" +
        "SwpOdHEIUUsASwJLA4ZxCUsDSwGGcQqJaAApUnELdHEMUnENWAMAAAB3LnRxDmN0b3JjaC5fdXRpbHMKX3JlYnVpbGRfcGFyYW1ldGVyCnEPaAMoKGgEaAVo" +
        "BmgHSwpOdHEQUUsESwNLAoZxEUsBSwOGcRKJaAApUnETdHEUUnEViGgAKVJxFodxF1JxGFgDAAAAaWRzcRloAygoaARjdG9yY2gKTG9uZ1N0b3JhZ2UKcRpY" +
        "AQAAADFxG2gHSwJOdHEcUUsASwKFcR1LAYVxHoloAClScR90cSBScSFYBgAAAHNjYWxhcnEiaAMoKGgEaAVoBmgHSwpOdHEjUUsJKSmJaAApUnEkdHElUnEm" +
        "dX1xJ1gJAAAAX21ldGFkYXRhcShoAClScSlYAAAAAHEqfXErWAcAAAB2ZXJzaW9ucSxLAXNzc2IugAJdcQAoWAEAAAAwcQFYAQAAADFxAmUuCgAAAAAAAAAA" +
        "AAAAAACAPwAAAEAAAEBAAACAQAAAoEAAAMBAAADgQAAAAEEAABBBAgAAAAAAAAAHAAAAAAAAAPj/////////");

    /// <summary>A pickle that would run a command.</summary>
    public static byte[] Command { get; } = Convert.FromBase64String(
        "gAJ9cQBYAQAAAGFxAWNwb3NpeApzeXN0ZW0KcQJYBAAAAHRydWVxA4VxBFJxBXMu");

    /// <summary>A file in today's layout around a pickle.</summary>
    public static byte[] Zip(byte[] pickle, CompressionLevel level = CompressionLevel.NoCompression)
    {
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create))
        {
            Add(zip, "archive/data.pkl", pickle, level);
            Add(zip, "archive/byteorder", "little"u8, level);
            Add(zip, "archive/data/0", FloatBytes(), level);
            Add(zip, "archive/data/1", [7, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], level);
        }
        return file.ToArray();
    }

    private static byte[] FloatBytes() => [.. Enumerable.Range(0, 10).SelectMany(i => BitConverter.GetBytes((float)i))];

    private static void Add(ZipArchive zip, string name, ReadOnlySpan<byte> bytes, CompressionLevel level)
    {
        using Stream entry = zip.CreateEntry(name, level).Open();
        entry.Write(bytes);
    }
}
