using Microsoft.ML.Peft.TestSupport;
using Microsoft.Playwright;

namespace Samples.Tests;

/// <summary>The page by its one command, which trains the model of icons first.</summary>
[TestClass]
public sealed class ClipPageOfIconsTests
{
    private const string WriteScreenshot = "PEFT_WRITE_SCREENSHOT";

    // Google's Material icon "star" (Apache-2.0), as one would draw it oneself.
    private const string Star = """
        <svg xmlns="http://www.w3.org/2000/svg" width="128" height="128" viewBox="0 0 24 24" style="background: white">
        <path d="M12 17.27L18.18 21l-1.64-7.03L22 9.24l-7.19-.61L12 2 9.19 8.63 2 9.24l5.46 4.73L5.82 21z"/></svg>
        """;

    [TestMethod]
    public async Task AnIconIsKnownByItsName()
    {
        LongTests.Require();
        await using PageBrowser browser = await PageBrowser.OpenAsync();
        IPage page = browser.Page;
        await page.SetContentAsync($"<body style=\"margin: 0\">{Star}</body>");
        byte[] picture = await page.Locator("svg").ScreenshotAsync();

        using PageProcess server = await PageProcess.StartAsync(TimeSpan.FromMinutes(30), "--urls", "http://127.0.0.1:0");
        await page.GotoAsync(server.Address.ToString());
        await page.SetInputFilesAsync("#picture", new FilePayload { Name = "star.png", MimeType = "image/png", Buffer = picture });
        await page.FillAsync("#labels", "alarm\nbattery\ncar\nmail\nstar\ntree");
        await page.ClickAsync("#look");
        await page.WaitForSelectorAsync("#answer:not([hidden])");
        Assert.AreEqual("star", await page.Locator(".score span").First.InnerTextAsync());
        // The same shape is there as "grade" too.
        Assert.Contains("star ", await page.Locator("#nearest").InnerTextAsync());
        if (Environment.GetEnvironmentVariable(WriteScreenshot) == "1")
            await page.ScreenshotAsync(new() { Path = Path.Combine(RepositoryFolder.Root, "docs", "clip-page.png"), FullPage = true });
    }
}
