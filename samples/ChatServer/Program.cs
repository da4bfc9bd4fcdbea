using ChatServer;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

// dotnet run -c Release --project samples/ChatServer -- [MODEL] [NAME=ADAPTER ...] [--urls http://localhost:5000]
// MODEL is a folder or .gguf file; an adapter is a PEFT folder, which clients choose by giving its name as the model.
string[] positional = [.. args.TakeWhile(arg => !arg.StartsWith("--", StringComparison.Ordinal))];
string model = positional.FirstOrDefault(arg => !arg.Contains('=')) ?? DefaultModel()
    ?? throw new ArgumentException("Name a model: the folder of a Hugging Face decoder with a chat template, or a .gguf file.");

WebApplicationBuilder builder = WebApplication.CreateBuilder(args[positional.Length..]);
builder.Services.AddPeftChatClient(model, options =>
{
    foreach (string[] pair in positional.Where(arg => arg.Contains('=')).Select(arg => arg.Split('=', 2)))
        options.Adapters[pair[0]] = pair[1];
});
WebApplication app = builder.Build();
app.MapChatApi();
app.Run();

// SmolLM2, where it lies beside the repository.
static string? DefaultModel()
{
    for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
    {
        string model = Path.Combine(folder.FullName, "..", "shared", "data", "models", "smollm2-135m-instruct");
        if (File.Exists(Path.Combine(folder.FullName, "Extensions.sln")))
            return Directory.Exists(model) ? model : null;
    }
    return null;
}
