using System.Numerics.Tensors;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>
/// What is said of classes to make a classifier of it (Radford et al. 2021, 3.1.4): each label in each template. A class's vector is the mean of its
/// prompts' vectors, each of length 1, brought to length 1 again.
/// </summary>
internal sealed partial class PromptEnsemble(IReadOnlyList<string> labels, IReadOnlyList<string> templates)
{
    public int Count => labels.Count * templates.Count;

    /// <summary>The prompts, class by class.</summary>
    public IReadOnlyList<string> Prompts => [.. labels.SelectMany(label => templates.Select(template => Fill(template, label)))];

    /// <summary>What a prompt is called in errors.</summary>
    public string NameOf(int prompt) => $"Label '{labels[prompt / templates.Count]}' in the template '{templates[prompt % templates.Count]}'";

    /// <summary>The classes' vectors, one after the other [labels * width].</summary>
    /// <param name="prompts">The prompts' vectors in their order, of length 1.</param>
    public float[] Average(IReadOnlyList<float[]> prompts)
    {
        int width = prompts[0].Length;
        var classes = new float[labels.Count * width];
        for (int prompt = 0; prompt < prompts.Count; prompt++)
        {
            Span<float> sum = classes.AsSpan(prompt / templates.Count * width, width);
            TensorPrimitives.Add(sum, prompts[prompt], sum);
        }
        for (int label = 0; label < labels.Count; label++)
        {
            Span<float> sum = classes.AsSpan(label * width, width);
            TensorPrimitives.Divide(sum, TensorPrimitives.Norm<float>(sum), sum);
        }
        return classes;
    }

    /// <summary>Refuses templates that make no prompts.</summary>
    /// <param name="templates">The templates.</param>
    /// <param name="option">What has them.</param>
    /// <exception cref="ArgumentException">There is none, or one does not say where the label stands.</exception>
    public static void Check(IReadOnlyList<string>? templates, string option)
    {
        ArgumentNullException.ThrowIfNull(templates, option);
        if (templates.Count == 0)
            throw new ArgumentException($"{option} is empty: one template is needed at least, such as 'a photo of a {{}}.'.", option);
        for (int i = 0; i < templates.Count; i++)
        {
            if (templates[i] is not { } template || !Placeholder().IsMatch(template))
                throw new ArgumentException($"The template '{templates[i]}' ({i + 1} of {templates.Count}) has no '{{}}' or '{{label}}' where the label is to stand.", option);
        }
    }

    private static string Fill(string template, string label) => Placeholder().Replace(template, _ => label);

    [GeneratedRegex(@"\{(?:label)?\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
