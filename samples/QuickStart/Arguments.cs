using Samples;

namespace QuickStart;

/// <summary>The command line.</summary>
internal sealed class Arguments(string[] args) : OptionPairs(args, "rows", "model", "data", "text", "label", "predict")
{
    /// <summary>Training rows at most; the default keeps the whole comparison below five minutes on two cores.</summary>
    public int Rows => Number("rows", 2500);

    /// <summary>A model folder; null for MiniLM.</summary>
    public string? Model => Get("model");

    /// <summary>A tab-separated file; null for the API documentation.</summary>
    public string? Data => Get("data");

    public string Text => Get("text") ?? "text";

    public string Label => Get("label") ?? "label";

    /// <summary>A saved model to predict with; null to train.</summary>
    public string? Predict => Get("predict");
}
