namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>What a value of a row is called in errors.</summary>
internal static class RowNames
{
    public static string Of(DataViewRow row, string role, string column) => $"Row {row.Position}: {role} column '{column}'";
}
