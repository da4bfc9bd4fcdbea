using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Samples.Tests;

/// <summary>The sample of the page, serving on a port that was free.</summary>
internal sealed partial class PageProcess : IDisposable
{
    private readonly Process _process;

    private PageProcess(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    /// <summary>Starts it, and waits until it listens.</summary>
    public static async Task<PageProcess> StartAsync(TimeSpan limit, params string[] arguments)
    {
        Process process = SampleProcess.Start("ClipPage", arguments);
        try
        {
            using var late = new CancellationTokenSource(limit);
            var said = new List<string>();
            while (await process.StandardOutput.ReadLineAsync(late.Token) is { } line)
            {
                said.Add(line);
                if (Listening().Match(line) is { Success: true } found)
                {
                    // It must not wait for somebody who reads what it says.
                    _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
                    _ = process.StandardError.ReadToEndAsync(CancellationToken.None);
                    return new PageProcess(process, new Uri(found.Groups[1].Value));
                }
            }
            throw new InvalidOperationException($"The page ended: {string.Join('\n', said)}{await process.StandardError.ReadToEndAsync(late.Token)}");
        }
        catch
        {
            End(process);
            throw;
        }
    }

    public HttpClient Connect() => new() { BaseAddress = Address };

    public void Dispose() => End(_process);

    private static void End(Process process)
    {
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
    }

    [GeneratedRegex("Now listening on: (http://[^ ]+)")]
    private static partial Regex Listening();
}
