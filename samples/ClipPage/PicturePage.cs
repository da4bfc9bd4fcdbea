using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace ClipPage;

/// <summary>The page, and what it asks the server.</summary>
internal static class PicturePage
{
    private const int MostMegabytes = 10, MostLabels = 100;

    // Of the form, beside the picture.
    private const int FormBytes = 64 << 10;

    private const long MostPictureBytes = MostMegabytes * 1_000_000L;

    /// <summary>The largest request that is read.</summary>
    public const long MostRequestBytes = MostPictureBytes + FormBytes;

    /// <summary>Maps <c>/</c>, <c>/look</c> (a form with <c>picture</c> and <c>labels</c>, one a line) and <c>/pictures/NUMBER</c>.</summary>
    public static void MapPicturePage(this IEndpointRouteBuilder app, PictureModel model)
    {
        string page = Page().Replace("{megabytes}", $"{MostMegabytes}", StringComparison.Ordinal).Replace("{count}", $"{model.Pictures.Count:N0}", StringComparison.Ordinal);
        Dictionary<string, int> numbers = model.Pictures.Index().ToDictionary(picture => picture.Item.Name, picture => picture.Index);
        app.MapGet("/", () => Results.Content(page, "text/html; charset=utf-8"));
        app.MapGet("/pictures/{number:int}", (int number) => number >= 0 && number < model.Pictures.Count
            ? Results.Bytes(model.Pictures[number].Show(), model.Pictures[number].MediaType)
            : Results.NotFound());
        app.MapPost("/look", async (HttpContext http) =>
        {
            try
            {
                (byte[] picture, string[] labels) = await ReadAsync(http.Request);
                return Results.Json(new
                {
                    scores = model.Score(picture, labels).Select(label => new { name = label.Label, score = label.Score }),
                    nearest = model.Find(picture).Select(found => new { name = found.Name, score = found.Score, url = $"/pictures/{numbers[found.Name]}" }),
                });
            }
            catch (Exception failure) when (Status(failure) is { } status)
            {
                return Results.Json(new { error = status == StatusCodes.Status413PayloadTooLarge ? TooLarge : failure.Message }, statusCode: status);
            }
        });
    }

    private static string TooLarge => $"The picture is too large: at most {MostMegabytes} MB are read.";

    private static async Task<(byte[] Picture, string[] Labels)> ReadAsync(HttpRequest request)
    {
        if (!request.HasFormContentType)
            throw new ArgumentException("The request is no form; expected one with the fields 'picture' and 'labels'.");
        IFormCollection form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        IFormFile file = form.Files["picture"] ?? throw new ArgumentException("The form has no picture.");
        if (file.Length > MostPictureBytes)
            throw new BadHttpRequestException(TooLarge, StatusCodes.Status413PayloadTooLarge);
        using var picture = new MemoryStream();
        await file.CopyToAsync(picture, request.HttpContext.RequestAborted);
        return (picture.ToArray(), LabelsOf(form["labels"].ToString()));
    }

    private static string[] LabelsOf(string text)
    {
        string[] labels = text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return labels.Length switch
        {
            0 => throw new ArgumentException("There is no label: type two or more, one a line."),
            1 => throw new ArgumentException($"There is one label, '{labels[0]}', and nothing to tell it from: type two or more, one a line."),
            > MostLabels => throw new ArgumentException($"There are {labels.Length} labels; at most {MostLabels} are taken."),
            _ => labels,
        };
    }

    // What whoever asks can mend.
    private static int? Status(Exception failure) => failure switch
    {
        BadHttpRequestException refused => refused.StatusCode,
        ArgumentException or InvalidDataException or InvalidOperationException or NotSupportedException => StatusCodes.Status400BadRequest,
        _ => null,
    };

    private static string Page()
    {
        using var reader = new StreamReader(typeof(PicturePage).Assembly.GetManifestResourceStream("page.html")!);
        return reader.ReadToEnd();
    }
}
