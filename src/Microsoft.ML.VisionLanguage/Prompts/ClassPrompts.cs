using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Prompts;

/// <summary>Classes' names as texts, each a name and a full stop, and where context vectors enter them.</summary>
internal sealed class ClassPrompts
{
    private readonly Example[] _texts;
    private readonly int[] _nameLengths;
    private readonly ClassPosition _position;

    /// <param name="tokenizer">The tokenizer, which puts a token before a text and one behind it.</param>
    /// <param name="names">The classes' names; an underscore stands for a blank.</param>
    /// <param name="position">Where the names stand.</param>
    /// <param name="context">How many vectors enter.</param>
    /// <param name="maxLength">Tokens that the model reads at most.</param>
    /// <exception cref="ArgumentException">A name is empty, or too long beside so many vectors; the message names it.</exception>
    public ClassPrompts(TextTokenizer tokenizer, IReadOnlyList<string> names, ClassPosition position, int context, int maxLength)
    {
        _position = position;
        string[] plain = [.. names.Select(name => name.Replace('_', ' ').Trim())];
        if (plain.Contains(""))
            throw new ArgumentException($"A class has no name, and prompts are made of names: the classes are {string.Join(", ", names.Select(name => $"'{name}'"))}.");
        _nameLengths = Array.ConvertAll(plain, name => Tokens(tokenizer, name).Length);
        _texts = Array.ConvertAll(plain, name => Example.From(tokenizer.Encode(name + ".")));
        int longest = Array.FindIndex(_texts, text => text.Length + context > maxLength);
        if (longest >= 0)
        {
            throw new ArgumentException(
                $"The class '{names[longest]}' has {_texts[longest].Length} tokens; with {context} context vectors that is more than the {maxLength} that the model reads.");
        }
    }

    /// <summary>The tokens of a text, without the one before and the one behind it.</summary>
    /// <exception cref="NotSupportedException">The tokenizer puts no such tokens there.</exception>
    public static int[] Tokens(TextTokenizer tokenizer, string text)
    {
        int[] ids = tokenizer.Encode(text).Ids;
        return ids is [_, .. var inner, var last] && last == tokenizer.EosId ? inner : throw new NotSupportedException(
            "Context vectors stand between a text's first and last token, and the tokenizer does not put a token of its own before each text and an end token behind it.");
    }

    /// <summary>The texts as a batch, whose tensors are of the caller's scope: under gradient checkpointing the backward pass reads them again.</summary>
    public Batch Collate(Device device) =>
        new() { Ids = Fields.Ids.Collate(_texts, device), Mask = Fields.Ids.MaskOf(_texts, device), PadsEnd = true, Examples = _texts };

    /// <summary>
    /// For each place of the lengthened texts [classes, S + context], int64, the place that comes there of a text's own and the context behind
    /// it; of the caller's scope.
    /// </summary>
    /// <param name="length">S</param>
    /// <param name="context">How many vectors enter.</param>
    /// <param name="device">Where it lies.</param>
    public Tensor Order(int length, int context, Device device)
    {
        int[] vectors = [.. Enumerable.Range(length, context)];
        long[] order = [.. _nameLengths.SelectMany(name => Order(name, length, vectors)).Select(place => (long)place)];
        return from_array(order, device: device).view(_nameLengths.Length, length + context);
    }

    private IEnumerable<int> Order(int name, int length, int[] vectors)
    {
        // Vectors before the name; the others stand behind it, before the full stop.
        int before = _position switch
        {
            ClassPosition.End => vectors.Length,
            ClassPosition.Middle => vectors.Length / 2,
            _ => 0,
        };
        return [0, .. vectors[..before], .. Enumerable.Range(1, name), .. vectors[before..], .. Enumerable.Range(name + 1, length - name - 1)];
    }
}
