using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.Playwright;

namespace Samples.Tests;

/// <summary>The page as a user starts it, asked by HTTP, and by a browser where there is one.</summary>
[TestClass]
public sealed class ClipPageTests
{
    private const int MostBytes = 10_000_000;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly TinyClip _clip = new();
    private readonly string _data = Directory.CreateTempSubdirectory("clip-page-").FullName;
    private PageProcess? _started;

    private PageProcess Page => _started!;

    [TestInitialize]
    public async Task Start()
    {
        foreach (var (row, i) in PictureRow.Some(9).Select((row, i) => (row, i)))
            await File.WriteAllBytesAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(_data, row.Text)).FullName, $"{i}.png"), row.Image);
        _started = await PageProcess.StartAsync(s_limit, "--model", _clip.Folder, "--data", _data, "--urls", "http://127.0.0.1:0");
    }

    [TestCleanup]
    public void Stop()
    {
        _started?.Dispose();
        _clip.Dispose();
        Directory.Delete(_data, recursive: true);
    }

    [TestMethod]
    public async Task APictureIsAnsweredByHttp()
    {
        using HttpClient client = Page.Connect();
        string file = Directory.GetFiles(_data, "4.png", SearchOption.AllDirectories).Single();
        using HttpResponseMessage response = await client.PostAsync("/look", Form(await File.ReadAllBytesAsync(file), "red square\nblue stripes\ngreen square"));
        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, answer.ToString());
        JsonElement[] scores = [.. answer.GetProperty("scores").EnumerateArray()], nearest = [.. answer.GetProperty("nearest").EnumerateArray()];
        CollectionAssert.AreEquivalent(new[] { "red square", "blue stripes", "green square" }, scores.Select(score => score.GetProperty("name").GetString()).ToArray());
        Assert.AreEqual(1, scores.Sum(score => score.GetProperty("score").GetDouble()), 1e-4);
        Assert.IsGreaterThanOrEqualTo(scores[1].GetProperty("score").GetDouble(), scores[0].GetProperty("score").GetDouble());
        // Of equal pictures there may be several; the picture itself lies at a cosine of 1.
        Assert.AreEqual(1, nearest[0].GetProperty("score").GetDouble(), 1e-4);
        Assert.Contains(found => found.GetProperty("name").GetString()!.EndsWith("/4.png", StringComparison.Ordinal), nearest);
        using HttpResponseMessage picture = await client.GetAsync(nearest[0].GetProperty("url").GetString());
        Assert.AreEqual("image/png", picture.Content.Headers.ContentType!.MediaType);
        Assert.AreEqual(HttpStatusCode.NotFound, (await client.GetAsync("/pictures/9")).StatusCode);
    }

    [TestMethod]
    public async Task WhatIsRefusedIsNamed()
    {
        using HttpClient client = Page.Connect();
        // What is too large is refused before it is sent.
        client.DefaultRequestHeaders.ExpectContinue = true;
        byte[] picture = await File.ReadAllBytesAsync(Directory.GetFiles(_data, "*.png", SearchOption.AllDirectories)[0]);
        await Refused(HttpStatusCode.BadRequest, "Image", "no picture"u8.ToArray(), "red\nblue");
        await Refused(HttpStatusCode.BadRequest, "Image", [], "red\nblue");
        await Refused(HttpStatusCode.BadRequest, "no label", picture, " \n ");
        await Refused(HttpStatusCode.BadRequest, "'red'", picture, "red");
        await Refused(HttpStatusCode.BadRequest, "red", picture, "red\nblue\nred");
        await Refused(HttpStatusCode.BadRequest, "101 labels", picture, string.Join('\n', Enumerable.Range(0, 101)));
        await Refused(HttpStatusCode.BadRequest, "longer", picture, $"red\n{string.Join(' ', Enumerable.Repeat("blue", 30))}", "tokens");
        await Refused(HttpStatusCode.RequestEntityTooLarge, "at most 10 MB", new byte[MostBytes + 1], "red\nblue");
        await Refused(HttpStatusCode.RequestEntityTooLarge, "at most 10 MB", new byte[MostBytes + 1_000_000], "red\nblue");
        using HttpResponseMessage plain = await client.PostAsync("/look", new StringContent("red"));
        Assert.AreEqual(HttpStatusCode.BadRequest, plain.StatusCode);

        async Task Refused(HttpStatusCode status, string named, byte[] file, string labels, string? also = null)
        {
            using HttpResponseMessage response = await client.PostAsync("/look", Form(file, labels));
            string text = await response.Content.ReadAsStringAsync();
            Assert.AreEqual(status, response.StatusCode, text);
            string error = JsonDocument.Parse(text).RootElement.GetProperty("error").GetString()!;
            Assert.IsTrue(error.Contains(named, StringComparison.Ordinal) || (also is not null && error.Contains(also, StringComparison.Ordinal)), error);
        }
    }

    [TestMethod]
    [Timeout(120_000)]
    public async Task ABrowserShowsScoresAndTheNearestPictures()
    {
        await using PageBrowser browser = await PageBrowser.OpenAsync();
        IPage page = browser.Page;
        await page.GotoAsync(Page.Address.ToString());
        await page.ClickAsync("#look");
        await Shown("#error", "There is no picture");

        string file = Directory.GetFiles(_data, "4.png", SearchOption.AllDirectories).Single();
        await page.SetInputFilesAsync("#picture", file);
        await page.FillAsync("#labels", "red square\nblue stripes\n<i>");
        await page.ClickAsync("#look");
        await page.WaitForSelectorAsync("#answer:not([hidden])");
        Assert.HasCount(3, await page.Locator(".score").AllAsync());
        // What is typed is text, and no part of the page.
        Assert.Contains("<i>", await page.Locator("#scores").InnerTextAsync());
        Assert.HasCount(8, await page.Locator("figure").AllAsync());
        Assert.IsTrue(await page.EvaluateAsync<bool>("Promise.all([...document.querySelectorAll('figure img')].map(image => image.decode())).then(() => true)"));

        await page.FillAsync("#labels", "");
        await page.ClickAsync("#look");
        await Shown("#error", "no label");

        await Drop("not-a-picture.png", "these are no pixels");
        await page.FillAsync("#labels", "red\nblue");
        await page.ClickAsync("#look");
        await Shown("#error", "Image");

        Task<IJSHandle> Shown(string place, string text) =>
            page.WaitForFunctionAsync("([place, text]) => document.querySelector(place).textContent.includes(text)", new[] { place, text });

        Task Drop(string name, string content) => page.EvaluateAsync(
            """
            ([name, content]) => {
              const data = new DataTransfer();
              data.items.add(new File([content], name, { type: 'image/png' }));
              document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
            }
            """, new[] { name, content });
    }

    private static MultipartFormDataContent Form(byte[] picture, string labels) => new()
    {
        { new ByteArrayContent(picture), "picture", "picture.png" },
        { new StringContent(labels), "labels" },
    };
}
