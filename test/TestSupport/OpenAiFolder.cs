using Microsoft.ML.Peft.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with <see cref="OpenAiClip"/> in one of the forms in which its layout comes, and a tokenizer beside it.</summary>
public sealed class OpenAiFolder : IDisposable
{
    /// <summary>The forms by name, each with its file and its writer.</summary>
    private static readonly Dictionary<string, (string File, Action<string, (string Name, Tensor Value)[]> Write)> s_forms = new()
    {
        ["safetensors"] = ("model.safetensors", (file, tensors) => SafetensorsWriter.WriteFile(file, tensors)),
        ["state-dict"] = ("clip.pt", PickledStateDict.Write),
        ["script"] = ("clip.pt", ScriptArchive.Write),
    };

    /// <param name="network">Whether pictures go through a residual network.</param>
    /// <param name="form">safetensors, state-dict or script.</param>
    /// <param name="change">Changes the tensors before they are written.</param>
    public OpenAiFolder(bool network, string form = "script", Func<(string Name, Tensor Value), (string Name, Tensor Value)>? change = null)
    {
        Folder = Directory.CreateTempSubdirectory("openai-clip-").FullName;
        using var scope = NewDisposeScope();
        var (file, write) = s_forms[form];
        Weights = Path.Combine(Folder, file);
        write(Weights, [.. OpenAiClip.Create(network).Select(tensor => change is null ? tensor : change(tensor))]);
        TinyClip.WriteTokenizer(Folder, endsLast: true);
    }

    public static IReadOnlyCollection<string> Forms => s_forms.Keys;

    public string Folder { get; }

    /// <summary>The file with the tensors.</summary>
    public string Weights { get; }

    public void Dispose()
    {
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }
}
