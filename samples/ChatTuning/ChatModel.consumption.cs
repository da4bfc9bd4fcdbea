using Microsoft.Extensions.AI;
using Microsoft.ML;
using Microsoft.ML.Peft;

namespace ChatTuning;

/// <summary>The model as a program uses it.</summary>
internal sealed partial class ChatModel : IDisposable
{
    private const int LongestAnswer = 80;

    private readonly PeftTransformer _model;
    private readonly PredictionEngine<ModelInput, ModelOutput> _engine;
    private readonly PeftChatClient _client;

    private ChatModel(MLContext ml, PeftTransformer model)
    {
        _model = model;
        _engine = ml.Model.CreatePredictionEngine<ModelInput, ModelOutput>(model);
        _client = model.AsChatClient();
    }

    /// <summary>A chat: what the user and the assistant said in turn.</summary>
    internal sealed class ModelInput
    {
        public string[] Messages { get; set; } = [];
    }

    /// <summary>What the assistant says next.</summary>
    internal sealed class ModelOutput
    {
        public string GeneratedText { get; set; } = "";
    }

    /// <summary>Loads a saved model.</summary>
    public static ChatModel Load(string path)
    {
        var ml = new MLContext();
        return new ChatModel(ml, (PeftTransformer)ml.Model.Load(path, out _));
    }

    /// <summary>A base as it is, to compare with.</summary>
    public static ChatModel OfBase(string folder)
    {
        var ml = new MLContext();
        return new ChatModel(ml, ml.Peft().Generate(new TextCompleter.Options { BaseModel = folder, Task = Task() }).Fit(Rows(ml, [])));
    }

    /// <summary>The whole answer to a prompt.</summary>
    public string Predict(string prompt) => _engine.Predict(new ModelInput { Messages = [prompt] }).GeneratedText;

    /// <summary>The answer to a chat as it comes.</summary>
    public async IAsyncEnumerable<string> StreamAsync(IEnumerable<ChatMessage> chat)
    {
        await foreach (ChatResponseUpdate piece in _client.GetStreamingResponseAsync(chat, new ChatOptions { Temperature = 0, MaxOutputTokens = LongestAnswer }))
            yield return piece.Text;
    }

    public void Dispose()
    {
        _client.Dispose();
        _engine.Dispose();
        _model.Dispose();
    }
}
