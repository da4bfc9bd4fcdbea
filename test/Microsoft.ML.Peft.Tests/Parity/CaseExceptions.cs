namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>The committed list of expectations that cannot hold today.</summary>
internal sealed record CaseException(string Case, string Tensor, string Reason)
{
    public static CaseException Parse(string line)
    {
        string[] parts = line.Split(' ', 3, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return parts.Length == 3 ? new(parts[0], parts[1], parts[2]) : throw new InvalidDataException($"'{line}': expected a case, a tensor and a reason.");
    }
}

internal static class CaseExceptions
{
    public static IReadOnlyList<CaseException> All { get; } =
    [
        .. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Parity", "exceptions.txt"))
            .Where(line => line.Length > 0 && line[0] != '#').Select(CaseException.Parse),
    ];

    /// <summary>The tensors of a case.</summary>
    public static string[] Of(string name) => [.. All.Where(exception => exception.Case == name).Select(exception => exception.Tensor)];
}
