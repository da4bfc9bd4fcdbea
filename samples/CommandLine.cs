using System.Reflection;

namespace Samples;

/// <summary>An option of a sample: <c>--name VALUE</c>, and what it is for.</summary>
internal sealed record CommandLineOption(string Name, string Value, string Meaning);

/// <summary>
/// What a sample takes. <c>--help</c> prints it; what is wrong with the command line, or with a file that it names, ends the sample
/// with one line and the exit code 2.
/// </summary>
internal sealed class CommandLine(string purpose, params CommandLineOption[] options)
{
    private const int Refused = 2;

    /// <summary>What stands before the options, as the help shows it; null where nothing does.</summary>
    public string? Positional { get; init; }

    /// <summary>The options that are known.</summary>
    public IReadOnlyList<CommandLineOption> Options => options;

    public int Run(string[] args, Action<CommandLineValues> sample) => RunAsync(args, values =>
    {
        sample(values);
        return Task.CompletedTask;
    }).GetAwaiter().GetResult();

    public async Task<int> RunAsync(string[] args, Func<CommandLineValues, Task> sample)
    {
        if (args.Any(arg => arg is "--help" or "-h"))
        {
            Console.WriteLine(Help());
            return 0;
        }
        try
        {
            await sample(new CommandLineValues(args, this));
            return 0;
        }
        catch (Exception failure) when (Message(failure) is { } message)
        {
            await Console.Error.WriteLineAsync(message.ReplaceLineEndings(" "));
            return Refused;
        }
    }

    private string Help()
    {
        string usage = $"dotnet run -c Release --project samples/{Assembly.GetExecutingAssembly().GetName().Name}";
        string[] left = [.. options.Select(option => $"  --{option.Name} {option.Value}")];
        int width = left.Select(text => text.Length).DefaultIfEmpty().Max();
        IEnumerable<string> lines = options.Zip(left, (option, text) => $"{text.PadRight(width)}  {option.Meaning}");
        string taken = string.Concat(Positional is null ? "" : $" {Positional}", options.Length == 0 ? "" : " [OPTIONS]");
        return string.Join(Environment.NewLine, [purpose, "", $"{usage}{(taken.Length == 0 ? "" : $" --{taken}")}", .. lines]);
    }

    // What a user can mend: an argument, a file. Anything else is a fault of the program and keeps its stack trace.
    private static string? Message(Exception failure) => failure switch
    {
        TargetInvocationException { InnerException: { } inner } => Message(inner),
        ArgumentException or IOException or UnauthorizedAccessException or InvalidDataException or FormatException or NotSupportedException => failure.Message,
        _ => null,
    };
}

/// <summary>What a command line says.</summary>
internal sealed class CommandLineValues
{
    private const string Dashes = "--";

    private readonly Dictionary<string, string> _values = [];

    /// <exception cref="ArgumentException">An argument is not known, has no value, or stands there twice.</exception>
    public CommandLineValues(string[] args, CommandLine line)
    {
        Positional = [.. args.TakeWhile(arg => !arg.StartsWith(Dashes, StringComparison.Ordinal))];
        if (Positional is [var unexpected, ..] && line.Positional is null)
            throw new ArgumentException($"'{unexpected}' is not known; {Known(line)}.");
        foreach (string[] pair in args.Skip(Positional.Count).Chunk(2))
        {
            string name = pair[0].StartsWith(Dashes, StringComparison.Ordinal) ? pair[0][Dashes.Length..] : "";
            if (line.Options.FirstOrDefault(option => option.Name == name) is not { } option)
                throw new ArgumentException($"'{pair[0]}' is not known; {Known(line)}.");
            if (pair.Length < 2 || pair[1].StartsWith(Dashes, StringComparison.Ordinal))
                throw new ArgumentException($"--{name} has no value; expected --{name} {option.Value}.");
            if (!_values.TryAdd(name, pair[1]))
                throw new ArgumentException($"--{name} is given twice.");
        }
    }

    public IReadOnlyList<string> Positional { get; }

    public string? Get(string name) => _values.GetValueOrDefault(name);

    /// <exception cref="ArgumentException">It is no whole number above 0.</exception>
    public int Number(string name, int usual) => Get(name) is not { } text ? usual
        : int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out int number) && number > 0 ? number
        : throw new ArgumentException($"--{name} is '{text}'; expected a whole number above 0.");

    /// <summary>A file that the user names; null if he names none.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public string? ExistingFile(string name) => Get(name) is { } path ? Existing($"--{name}", path, File.Exists) : null;

    /// <summary>A model that the user names, a folder or a file; null if he names none.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public string? ExistingModel(string name) => Get(name) is { } path ? Existing($"--{name}", path, Path.Exists) : null;

    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public static string Existing(string what, string path, Func<string, bool> exists) =>
        exists(path) ? path : throw new FileNotFoundException($"{what}: '{path}' is not there (full path: {Path.GetFullPath(path)}).");

    private static string Known(CommandLine line) => line.Options.Count == 0
        ? "this sample takes no options"
        : $"known are {string.Join(", ", line.Options.Select(option => Dashes + option.Name))} (--help says more)";
}
