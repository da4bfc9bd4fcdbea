using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>A part of a picture, in pixels.</summary>
internal readonly record struct Region(int Left, int Top, int Width, int Height);

/// <summary>
/// Resizes as PIL does, to the bit: weights in fixed point, along lines and across them, rounded to 8 bits in between. What is cut away
/// afterwards is not computed.
/// </summary>
internal static class Resampling
{
    private const int BytesPerPixel = Picture.BytesPerPixel, Half = 1 << (ResamplingWindows.Fraction - 1), Eight = 8;

    // Since September 2026 PIL begins across the lines where the height shrinks much more than the width (its pull request 9549; the rule
    // was not to be had). Its cases here set the limit between .69 and .98; a picture that keeps its proportions is far from it.
    private const double MuchMore = 0.75;

    /// <summary>Resizes a part of a picture, and gives a part of the outcome.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="source">What of it is resized; nothing beside it is looked at.</param>
    /// <param name="width">The width that this becomes.</param>
    /// <param name="height">The height that this becomes.</param>
    /// <param name="part">What of the outcome is wanted.</param>
    /// <param name="kernel">The kernel.</param>
    public static Picture Resize(Picture picture, Region source, int width, int height, Region part, ResamplingKernel kernel)
    {
        ResamplingWindows columns = ResamplingWindows.Of(kernel, source.Width, width, part.Left, part.Width);
        ResamplingWindows lines = ResamplingWindows.Of(kernel, source.Height, height, part.Top, part.Height);
        double taller = (double)height / source.Height, wider = (double)width / source.Width;
        if (taller < Math.Min(1, MuchMore * wider))
        {
            using Picture shorter = AcrossLines(picture, source.Left, source.Width, lines, source.Top);
            return AlongLines(shorter, 0, shorter.Height, columns, 0);
        }
        using Picture narrower = AlongLines(picture, source.Top + lines.First, lines.End - lines.First, columns, source.Left);
        return AcrossLines(narrower, 0, narrower.Width, lines, -lines.First);
    }

    /// <param name="picture">The picture.</param>
    /// <param name="top">The first line that is wanted.</param>
    /// <param name="height">How many are.</param>
    /// <param name="windows">The pixels of each new line.</param>
    /// <param name="left">Where the windows count from.</param>
    private static Picture AlongLines(Picture picture, int top, int height, ResamplingWindows windows, int left)
    {
        var resized = new Picture(windows.Count, height);
        ref byte to = ref MemoryMarshal.GetReference(resized.PixelsAndSlack);
        ReadOnlySpan<int> starts = windows.Starts;
        Vector256<int>[] weights = ByChannels(windows);
        int pairs = windows.Pairs;
        for (int y = 0; y < height; y++)
        {
            ref byte line = ref MemoryMarshal.GetReference(picture.PixelsAndSlack[(((top + y) * picture.Stride) + (left * BytesPerPixel))..]);
            ref Vector256<int> weight = ref MemoryMarshal.GetArrayDataReference(weights);
            foreach (int start in starts)
            {
                ref byte pixels = ref Unsafe.Add(ref line, start * BytesPerPixel);
                Vector256<int> sum = Vector256<int>.Zero;
                for (int pair = 0; pair < pairs; pair++)
                {
                    sum += Widen(ref Unsafe.Add(ref pixels, pair * Eight)) * weight;
                    weight = ref Unsafe.Add(ref weight, 1);
                }
                Vector128<int> both = sum.GetLower() + sum.GetUpper();
                Unsafe.WriteUnaligned(ref to, Round(both, both).AsUInt32().ToScalar());
                to = ref Unsafe.Add(ref to, BytesPerPixel);
            }
        }
        return resized;
    }

    /// <param name="picture">The picture.</param>
    /// <param name="left">The first column that is wanted.</param>
    /// <param name="width">How many are.</param>
    /// <param name="windows">The lines of which each new line is made.</param>
    /// <param name="top">Where the windows count from.</param>
    private static Picture AcrossLines(Picture picture, int left, int width, ResamplingWindows windows, int top)
    {
        var resized = new Picture(width, windows.Count);
        int taps = windows.Pairs * ResamplingWindows.Pair, bytes = width * BytesPerPixel;
        for (int y = 0; y < windows.Count; y++)
        {
            // A window that is filled up may reach beyond the last line: such weights are left out.
            int start = top + windows.Starts[y], count = Math.Min(taps, picture.Height - start);
            ref byte from = ref MemoryMarshal.GetReference(picture.PixelsAndSlack[((start * picture.Stride) + (left * BytesPerPixel))..]);
            ref byte to = ref MemoryMarshal.GetReference(resized.PixelsAndSlack[(y * resized.Stride)..]);
            AcrossLine(ref from, picture.Stride, windows.Weights.AsSpan(y * taps, count), ref to, bytes);
        }
        return resized;
    }

    private static void AcrossLine(ref byte from, int stride, ReadOnlySpan<int> weights, ref byte to, int bytes)
    {
        // What is written beyond the line is written again with the next, or is the memory's slack.
        for (int x = 0; x < bytes; x += 2 * Eight)
        {
            Vector256<int> first = Vector256<int>.Zero, second = first;
            ref byte line = ref Unsafe.Add(ref from, x);
            foreach (int weight in weights)
            {
                Vector256<int> factor = Vector256.Create(weight);
                first += Widen(ref line) * factor;
                second += Widen(ref Unsafe.Add(ref line, Eight)) * factor;
                line = ref Unsafe.Add(ref line, stride);
            }
            Round(first.GetLower(), first.GetUpper(), second.GetLower(), second.GetUpper()).StoreUnsafe(ref Unsafe.Add(ref to, x));
        }
    }

    // Each weight for the four bytes of its pixel.
    private static Vector256<int>[] ByChannels(ResamplingWindows windows)
    {
        var weights = new Vector256<int>[windows.Count * windows.Pairs];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = Vector256.Create(Vector128.Create(windows.Weights[2 * i]), Vector128.Create(windows.Weights[(2 * i) + 1]));
        return weights;
    }

    private static Vector256<int> Widen(ref byte from)
    {
        Vector128<byte> eight = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref from)).AsByte();
        if (Avx2.IsSupported)
            return Avx2.ConvertToVector256Int32(eight);
        Vector128<ushort> wide = Vector128.WidenLower(eight);
        return Vector256.Create(Vector128.WidenLower(wide), Vector128.WidenUpper(wide)).AsInt32();
    }

    private static Vector128<byte> Round(Vector128<int> first, Vector128<int> second) => Round(first, second, first, second);

    private static Vector128<byte> Round(Vector128<int> first, Vector128<int> second, Vector128<int> third, Vector128<int> fourth) =>
        Vector128.Narrow(Vector128.Narrow(Whole(first), Whole(second)), Vector128.Narrow(Whole(third), Whole(fourth)));

    private static Vector128<uint> Whole(Vector128<int> sum) => Vector128.Min(
        Vector128.Max((sum + Vector128.Create(Half)) >> ResamplingWindows.Fraction, Vector128<int>.Zero), Vector128.Create((int)byte.MaxValue)).AsUInt32();
}
