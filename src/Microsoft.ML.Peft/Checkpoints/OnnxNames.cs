namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A weight under its Hugging Face name; ONNX's MatMul has it transposed.</summary>
internal readonly record struct OnnxWeight(OnnxInitializer Initializer, bool Transposed);

/// <summary>
/// Gives the constants of an exported model their names back. The exporter keeps a parameter's name unless it folded a
/// transposition into it. Such a one is named after the module in its node's name (PyTorch 1.13 on), or after the bias
/// that is added to the product (before).
/// </summary>
internal static class OnnxNames
{
    private const string Weight = ".weight", Bias = ".bias";

    public static Dictionary<string, OnnxWeight> Resolve(OnnxGraph graph)
    {
        var weights = new Dictionary<string, OnnxWeight>(StringComparer.Ordinal);
        var anonymous = new Dictionary<string, OnnxInitializer>(StringComparer.Ordinal);
        foreach (OnnxInitializer initializer in graph.Initializers)
        {
            if (IsAnonymous(initializer.Name))
                anonymous.TryAdd(initializer.Name, initializer);
            else
                weights.TryAdd(initializer.Name, new(initializer, Transposed: false));
        }
        ILookup<string, OnnxNode> additions = graph.Nodes.Where(node => node.Operator == "Add")
            .SelectMany(node => node.Inputs.Select(input => (input, node))).ToLookup(pair => pair.input, pair => pair.node);
        foreach (OnnxNode node in graph.Nodes.Where(node => node.Operator is "MatMul" or "Gemm" && node.Inputs.Count > 1))
        {
            if (anonymous.TryGetValue(node.Inputs[1], out OnnxInitializer? initializer)
                && (ModuleByScope(node) ?? ModuleByBias(node, additions)) is { } module)
                weights.TryAdd(module + Weight, new(initializer, Transposed: !node.TransposesWeight));
        }
        return weights;
    }

    // Numbers before PyTorch 1.13, "onnx::MatMul_123" since; parameters have dots in their names.
    private static bool IsAnonymous(string name) => name.Contains("::", StringComparison.Ordinal) || name.All(char.IsAsciiDigit);

    private static string? ModuleByScope(OnnxNode node)
    {
        string[] scope = node.Name.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return scope.Length > 1 ? string.Join('.', scope[..^1]) : null;
    }

    private static string? ModuleByBias(OnnxNode node, ILookup<string, OnnxNode> additions) => node.Inputs.Skip(2)
        .Concat(node.Outputs.SelectMany(output => additions[output]).SelectMany(addition => addition.Inputs))
        .Where(name => name.EndsWith(Bias, StringComparison.Ordinal)).Select(name => name[..^Bias.Length]).FirstOrDefault();
}
