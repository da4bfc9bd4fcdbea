using System.Diagnostics;
using Microsoft.ML.Peft.TestSupport;

namespace Samples.Tests;

/// <summary>Every sample says what it takes, and refuses what is wrong in one line before it does anything.</summary>
[TestClass]
public sealed class CommandLineTests
{
    private static readonly string[] s_samples =
        [.. Directory.GetFiles(Path.Combine(RepositoryFolder.Root, "samples"), "*.csproj", SearchOption.AllDirectories).Select(file => Path.GetFileNameWithoutExtension(file)!)];

    public static IEnumerable<object[]> Samples => s_samples.Select(name => new object[] { name });

    [TestMethod, DynamicData(nameof(Samples))]
    public void HelpSaysWhatTheSampleTakes(string sample)
    {
        SampleProcess help = SampleProcess.Run(sample, "--help");
        Assert.AreEqual(0, help.ExitCode, help.Errors);
        Assert.AreEqual("", help.Errors);
        StringAssert.Contains(help.Output, $"dotnet run -c Release --project samples/{sample}");
    }

    [TestMethod, DynamicData(nameof(Samples))]
    public void AnUnknownOptionIsRefused(string sample) => Refuses("'--frobnicate'", sample, "--frobnicate", "1");

    [TestMethod]
    [DataRow("no value", "QuickStart", "--rows")]
    [DataRow("no value", "QuickStart", "--model", "--rows", "3")]
    [DataRow("twice", "QuickStart", "--rows", "3", "--rows", "4")]
    [DataRow("'many'", "QuickStart", "--rows", "many")]
    [DataRow("'0'", "Pretrain", "--rows", "0")]
    [DataRow("'0'", "GlmPretrain", "--epochs", "0")]
    [DataRow("'dora'", "ChatTuning", "--method", "dora")]
    [DataRow("'here'", "HotSwap", "here")]
    [DataRow("'loud'", "ClipIcons", "--captions", "loud")]
    [DataRow("'here'", "ChatServer", "--urls", "here")]
    public void ABadArgumentIsRefused(string named, string sample, params string[] arguments) => Refuses(named, sample, arguments);

    [TestMethod]
    [DataRow("QuickStart", "--model", "nowhere")]
    [DataRow("QuickStart", "--data", "nowhere")]
    [DataRow("FewShot", "--data", "nowhere")]
    [DataRow("GlmPretrain", "--texts", "nowhere")]
    [DataRow("QuickStart", "--predict", "nowhere")]
    [DataRow("ChatTuning", "--model", "nowhere")]
    [DataRow("ChatTuning", "--data", "nowhere")]
    [DataRow("ChatTuning", "--chat", "nowhere")]
    [DataRow("AskText", "--data", "nowhere")]
    [DataRow("AskText", "--answers", "nowhere")]
    [DataRow("AskText", "--text", "nowhere")]
    [DataRow("ChatServer", "nowhere")]
    [DataRow("ChatServer", ".", "pirate=nowhere")]
    public void AMissingFileIsRefused(string sample, params string[] arguments) => Refuses("nowhere", sample, arguments);

    [TestMethod]
    [DataRow("QuickStart", "--model")]
    [DataRow("ChatTuning", "--model")]
    [DataRow("AskText", "--model")]
    [DataRow("ChatServer", null)]
    public void AFolderWithoutAModelIsRefused(string sample, string? option)
    {
        using var empty = new EmptyFolder();
        Refuses(empty.Path, sample, option is null ? [empty.Path] : [option, empty.Path]);
    }

    [TestMethod]
    public void AFileThatIsNoModelOfOursIsRefused()
    {
        using var folder = new EmptyFolder();
        string file = folder.Write("model.zip", "no archive");
        Refuses("", "QuickStart", "--predict", file);
        Refuses("", "ChatTuning", "--chat", file);
    }

    [TestMethod]
    public void DataWithoutItsColumnsOrRowsAreRefused()
    {
        using var folder = new EmptyFolder();
        string named = folder.Write("named.tsv", "text\tclass\na\tb\n"), bare = folder.Write("bare.tsv", "text\tlabel\na\t\n"), few = folder.Write("few.tsv", "text\tlabel\na\tb\n");
        Refuses("'label'", "QuickStart", "--data", named);
        Refuses("no row", "QuickStart", "--data", bare);
        Refuses("too few", "QuickStart", "--data", few);
    }

    [TestMethod]
    public void TheServerChecksItsModelBeforeItListens()
    {
        using var encoder = new TinyBert();
        Refuses("bert", "ChatServer", encoder.Folder, "--urls", "http://127.0.0.1:0");

        // A decoder that opens, but was not taught to chat.
        using var decoder = new TinyDecoder();
        string config = Path.Combine(decoder.Folder, "tokenizer_config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("chat_template", "no_template", StringComparison.Ordinal));
        Refuses("chat template", "ChatServer", decoder.Folder, "--urls", "http://127.0.0.1:0");
    }

    [TestMethod]
    public async Task TheServerListensOnceItsModelIsGood()
    {
        using var decoder = new TinyDecoder();
        using Process server = SampleProcess.Start("ChatServer", decoder.Folder, "--urls", "http://127.0.0.1:0");
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            const string Listening = "Now listening on: ";
            string? line;
            do
                line = await server.StandardOutput.ReadLineAsync(limit.Token);
            while (line is not null && !line.Contains(Listening, StringComparison.Ordinal));
            if (line is null)
                Assert.Fail(await server.StandardError.ReadToEndAsync(limit.Token));
            using var client = new HttpClient();
            string models = await client.GetStringAsync(line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..] + "/v1/models", limit.Token);
            StringAssert.Contains(models, Path.GetFileName(decoder.Folder));
        }
        finally
        {
            server.Kill(entireProcessTree: true);
        }
    }

    private static void Refuses(string named, string sample, params string[] arguments)
    {
        SampleProcess run = SampleProcess.Run(sample, arguments);
        string all = $"{sample} {string.Join(' ', arguments)}: {run}";
        Assert.AreEqual(2, run.ExitCode, all);
        Assert.AreEqual(1, run.Errors.Count(c => c == '\n'), all);
        StringAssert.Contains(run.Errors, named, all);
        Assert.DoesNotContain("listening", run.Output, all);
    }

    private sealed class EmptyFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("sample-").FullName;

        public string Write(string name, string text)
        {
            string file = System.IO.Path.Combine(Path, name);
            File.WriteAllText(file, text);
            return file;
        }

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
