using ChatServer;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Peft;

return await Arguments.Line.RunAsync(args, async values =>
{
    var arguments = new Arguments(values);
    WebApplicationBuilder builder = WebApplication.CreateBuilder(arguments.ForHost);
    builder.Services.AddPeftChatClient(arguments.Folder, arguments.Configure);
    await using WebApplication app = builder.Build();
    app.MapChatApi();
    await CheckAsync(app.Services.GetRequiredService<IChatClient>(), arguments.Folder);
    await app.RunAsync();
});

// Opening the model reads its files and its adapters; one token shows that it chats. What is wrong is said before anyone can ask.
static async Task CheckAsync(IChatClient client, string model)
{
    try
    {
        await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 1 });
    }
    catch (Exception failure) when (failure is InvalidOperationException or ChatTemplateException)
    {
        throw new NotSupportedException($"{model} cannot chat: {failure.Message}", failure);
    }
}
