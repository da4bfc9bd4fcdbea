using ClipIcons;
using ClipPage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage;

// dotnet run -c Release --project samples/ClipPage -- --model models/clip-vit-base-patch32 --data pictures
// Freed memory goes back to the system at once (glibc); the library reads this when it is first used.
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

return await Arguments.Line.RunAsync(args, async values =>
{
    var arguments = new Arguments(values);
    WebApplicationBuilder builder = WebApplication.CreateBuilder(arguments.ForHost);
    builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = PicturePage.MostRequestBytes);
    IReadOnlyList<GalleryPicture> gallery = arguments.Data is { } folder ? Gallery.OfFolder(folder) : Gallery.OfIcons();
    using var model = arguments.Model is { } clip
        ? new PictureModel(clip, ClipTemplates.Default, gallery)
        : new PictureModel(IconModel(arguments.Epochs), [.. Icon.All().Select(icon => $"a {icon.Style} icon of {{}}").Distinct()], gallery);
    await using WebApplication app = builder.Build();
    app.MapPicturePage(model);
    await app.RunAsync();
});

// Trained once, on all icons, and kept as a folder beside the program.
static string IconModel(int epochs)
{
    string cache = Path.Combine(AppContext.BaseDirectory, "cache"), folder = Path.Combine(cache, $"icon-clip-{epochs}");
    if (Directory.Exists(folder))
        return folder;
    Console.WriteLine("Training the model of icons, once.");
    using PeftTransformer model = IconTraining.Train(
        new MLContext(seed: 1), Path.Combine(cache, "icon-clip-untrained"), [.. Icon.All().Select(icon => IconRow.Of(icon, icon.Caption))], epochs);
    model.SaveMergedModel(folder);
    return folder;
}
