using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A table of rows [entries, width] looked up by index.</summary>
internal sealed class TokenEmbedding
{
    public TokenEmbedding(WeightScope scope, long entries, long width)
    {
        Path = scope.Path;
        Table = scope.Load("weight", Init.Normal, entries, width);
        scope.Sites.Add(this);
    }

    public string Path { get; }

    public Parameter Table { get; }

    /// <returns>[..., width] for ids [...]</returns>
    public Tensor Forward(Tensor ids)
    {
        using var scope = NewDisposeScope();
        return Table.Value.index_select(0, ids.flatten()).view([.. ids.shape, -1]).MoveToOuterDisposeScope();
    }
}
