using System.Text.Json.Nodes;
using SmallModels;

namespace ClipIcons;

/// <summary>A CLIP that two cores train in minutes: a folder with configuration, tokenizer and settings of pictures, and no weights.</summary>
internal static class IconClip
{
    public const int Side = 32;

    private const int LongestText = 48, Patch = 8, Space = 96;

    /// <param name="folder">Where.</param>
    /// <param name="captions">What the tokenizer's words come from.</param>
    public static string WriteFolder(string folder, IEnumerable<string> captions)
    {
        var clip = new SmallClip(Vocabulary(captions), LongestText);
        JsonObject config = clip.Config(Space, Side, Patch, pictures: (96, 3), texts: (96, 2));
        // At the usual 0.02 so narrow a model stands still for epochs.
        config["initializer_range"] = 0.05;
        SmallClip.Write(folder, config, SmallClip.Pictures(Side, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5]));
        clip.WriteTokenizer(folder);
        return folder;
    }

    // Whole words as far as they were seen; a word that was not is spelt.
    private static string[] Vocabulary(IEnumerable<string> captions)
    {
        IEnumerable<string> words = captions.SelectMany(caption => caption.Split(' ')).Distinct().Order(StringComparer.Ordinal);
        string[] letters = [.. "abcdefghijklmnopqrstuvwxyz0123456789".Select(letter => letter.ToString())];
        return [.. SmallClip.Special.Concat(letters).Concat(letters.Select(letter => "##" + letter)).Concat(words).Distinct()];
    }
}
