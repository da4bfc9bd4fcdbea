namespace ClipIcons;

/// <summary>Pictures that texts are looked for among, by the cosine of their vectors.</summary>
internal static class Retrieval
{
    public const int Shown = 10;

    /// <summary>The pictures that lie nearest to a text, the nearest first.</summary>
    /// <param name="text">Its vector, of length 1.</param>
    /// <param name="pictures">Theirs.</param>
    public static int[] Nearest(float[] text, IReadOnlyList<float[]> pictures) =>
        [.. Enumerable.Range(0, pictures.Count).OrderByDescending(i => Dot(text, pictures[i]))];

    /// <summary>
    /// How often the icon that a caption was made of is among the nearest ten of its style, and how often it would be by chance.
    /// </summary>
    public static (double Recall, double Chance) RecallAt10(IReadOnlyList<ScoredIcon> icons)
    {
        double found = 0, chance = 0;
        foreach (ScoredIcon[] style in icons.GroupBy(icon => icon.Icon.Style).Select(group => group.ToArray()))
        {
            float[][] pictures = [.. style.Select(icon => icon.Picture)];
            found += style.Select((icon, i) => Nearest(icon.Text, pictures).Take(Shown).Contains(i)).Count(right => right);
            chance += Math.Min(style.Length, Shown);
        }
        return (found / icons.Count, chance / icons.Count);
    }

    private static float Dot(float[] left, float[] right) => System.Numerics.Tensors.TensorPrimitives.Dot(left, right);
}

/// <summary>An icon with what the model says of its picture and of its caption.</summary>
internal sealed record ScoredIcon(Icon Icon, float[] Picture, float[] Text);
