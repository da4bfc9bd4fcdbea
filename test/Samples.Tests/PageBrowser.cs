using Microsoft.Playwright;

namespace Samples.Tests;

/// <summary>A page in a headless browser that the machine has.</summary>
internal sealed class PageBrowser : IAsyncDisposable
{
    private static readonly string[] s_places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private PageBrowser(IPlaywright playwright, IBrowser browser, IPage page) => (_playwright, _browser, Page) = (playwright, browser, page);

    public IPage Page { get; }

    /// <summary>Opens an empty page; without a browser the test is left open.</summary>
    public static async Task<PageBrowser> OpenAsync()
    {
        string? found = s_places.FirstOrDefault(File.Exists);
        if (found is null)
            Assert.Inconclusive($"No browser is here, and none is installed by a test; looked for {string.Join(", ", s_places)} (Debian: apt-get install chromium).");
        IPlaywright playwright = await Playwright.CreateAsync();
        IBrowser browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = found, Args = ["--no-sandbox"], Timeout = 60_000 });
        IPage page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 880, Height = 760 } });
        page.SetDefaultTimeout(30_000);
        return new PageBrowser(playwright, browser, page);
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
    }
}
