using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Chat;

/// <summary>A tiny decoder as a client, and what it says alone by the way of prompts.</summary>
internal sealed class ChatFixture : IDisposable
{
    /// <param name="configure">Changes the client's options.</param>
    /// <param name="modelType">The decoder.</param>
    /// <param name="change">Changes the model's configuration.</param>
    /// <param name="ends">Whether a token ends answers.</param>
    public ChatFixture(
        Action<PeftChatClientOptions>? configure = null, string modelType = "llama", Action<JsonObject>? change = null, bool ends = true)
    {
        Folder = new TinyDecoder(modelType, change: change);
        if (!ends)
            RemoveEnds();
        var options = new PeftChatClientOptions();
        configure?.Invoke(options);
        Client = new PeftChatClient(Folder.Folder, options);
    }

    public TinyDecoder Folder { get; }

    public PeftChatClient Client { get; }

    public static ChatOptions Greedy(int tokens) => new() { Temperature = 0, MaxOutputTokens = tokens };

    public static ChatMessage[] Ask(string text) => [new(ChatRole.User, text)];

    /// <summary>The answer as generation without any client gives it.</summary>
    public string Alone(string text, GenerationOptions options)
    {
        using HostedModel model = HostedModel.Decoder(Folder.Folder);
        TextTokenizer tokenizer = TextTokenizer.Load(Folder.Folder);
        int[] prompt = tokenizer.Encode(tokenizer.ChatTemplate!.Render([new ChatTurn("user", text)], true), addSpecialTokens: false).Ids;
        using IDecodingSession session = model.Open();
        GenerationSettings settings = GenerationSettings.Resolve(options, GenerationConfigFile.Load(Folder.Folder, model.Model.Config));
        return TextGenerator.Text(TextGenerator.Generate(session, [prompt], settings, tokenizer)[0][0], tokenizer, settings);
    }

    /// <summary>Waits until the scheduler has nothing to do.</summary>
    public async Task Settle()
    {
        for (int i = 0; i < 500 && Client.Scheduler.Active + Client.Scheduler.Waiting > 0; i++)
            await Task.Delay(10);
        Assert.AreEqual(0, Client.Scheduler.Active, "requests that are being answered");
        Assert.AreEqual(0, Client.Scheduler.Waiting, "requests that wait");
    }

    private void RemoveEnds()
    {
        Change("config.json", json => json.Remove("eos_token_id"));
        Change("tokenizer_config.json", json =>
        {
            json["eos_token"] = null;
            json["chat_template"] = ((string)json["chat_template"]!).Replace("</s>", "; ", StringComparison.Ordinal);
        });
    }

    private void Change(string file, Action<JsonObject> change)
    {
        string path = Path.Combine(Folder.Folder, file);
        JsonObject json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    public void Dispose()
    {
        Client.Dispose();
        Folder.Dispose();
    }
}
