using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>
/// Finds what takes the process's default dtype or device: a TorchSharp factory (any method that could be given a device) whose
/// dtype or device is left out or null, and a number that becomes a tensor by itself.
/// </summary>
internal static class TensorFactories
{
    private const string Assembly = "TorchSharp";

    // What the SDK's implicit usings bring.
    private const string GlobalUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    private static readonly string[] Settings = ["dtype", "device"];

    /// <summary>One line for each place in some files of C#.</summary>
    public static IEnumerable<string> WithoutDefaults(IEnumerable<(string Path, string Text)> files) => Compile(files, out CSharpCompilation compilation)
        .Where(tree => tree.ToString().Contains(Assembly, StringComparison.Ordinal))
        .SelectMany(tree => Violations(tree, compilation.GetSemanticModel(tree)));

    private static SyntaxTree[] Compile(IEnumerable<(string Path, string Text)> files, out CSharpCompilation compilation)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        SyntaxTree[] trees = [.. files.Append(("GlobalUsings.cs", GlobalUsings)).Select(file => CSharpSyntaxTree.ParseText(file.Item2, options, file.Item1))];
        string loaded = (string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!;
        compilation = CSharpCompilation.Create(
            "library", trees, loaded.Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
        return trees;
    }

    private static IEnumerable<string> Violations(SyntaxTree tree, SemanticModel model)
    {
        foreach (SyntaxNode node in tree.GetRoot().DescendantNodes())
        {
            IEnumerable<string> found = node is InvocationExpressionSyntax or BaseObjectCreationExpressionSyntax ? Missing(node, model)
                : node is ExpressionSyntax value && IsTensorByItself(model.GetConversion(value).MethodSymbol) ? ["dtype and device (an implicit conversion)"]
                : [];
            foreach (string what in found)
                yield return $"{tree.FilePath}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}: no {what}: {node}";
        }
    }

    private static IEnumerable<string> Missing(SyntaxNode call, SemanticModel model) => model.GetOperation(call) switch
    {
        IInvocationOperation { TargetMethod.IsStatic: true } made => Missing(made.TargetMethod, made.Arguments),
        IObjectCreationOperation { Constructor: { } constructor } made => Missing(constructor, made.Arguments),
        // What does not bind must not hide.
        IInvalidOperation when model.GetSymbolInfo(call).CandidateSymbols.OfType<IMethodSymbol>().Any(TakesDevice) => ["binding"],
        _ => [],
    };

    private static IEnumerable<string> Missing(IMethodSymbol method, IEnumerable<IArgumentOperation> arguments)
    {
        if (method.Name.EndsWith("_like", StringComparison.Ordinal))
            return [];
        if (!TakesDevice(method))
            return method is { Name: "ToTensor", ContainingAssembly.Name: Assembly } ? ["device"] : [];
        return arguments.Where(argument => Settings.Contains(argument.Parameter?.Name) && IsLeftOut(argument)).Select(argument => argument.Parameter!.Name);
    }

    private static bool TakesDevice(IMethodSymbol method) =>
        method.ContainingAssembly?.Name == Assembly && (method.IsStatic || method.MethodKind == MethodKind.Constructor) && method.Parameters.Any(parameter => parameter.Name == "device");

    private static bool IsLeftOut(IArgumentOperation argument) =>
        argument.ArgumentKind == ArgumentKind.DefaultValue || argument.Value is { ConstantValue: { HasValue: true, Value: null } };

    private static bool IsTensorByItself(IMethodSymbol? conversion) =>
        conversion is { Name: "op_Implicit", ReturnType.Name: "Tensor" } && conversion.ContainingAssembly?.Name == Assembly;
}
