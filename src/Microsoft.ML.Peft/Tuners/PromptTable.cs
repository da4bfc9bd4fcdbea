using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>Vectors of virtual tokens, in the slot of a model's entrance: they enter where rows keep places for them, else before the tokens of every row.</summary>
/// <param name="site">The entrance.</param>
/// <param name="table">[tokens, width]; an encoder-decoder's is twice as long in PEFT's files, and the second half is never read.</param>
/// <param name="network">What makes the table; null where it trains itself.</param>
/// <param name="tokens">How many vectors are read.</param>
/// <param name="movesFirst">Whether who reads a row's first token reads it behind them too.</param>
internal sealed class PromptTable(InputSite site, Parameter table, TableNetwork? network, int tokens, bool movesFirst) : VirtualTable(table, network), IInputTuner
{
    public int Count => tokens;

    public ModelInput Change(ModelInput input, ForwardContext context) => input.With(Table.Value.narrow(0, 0, tokens), movesFirst);

    public override void Attach(string adapter) => site.Attach(adapter, this);

    public override void Detach(string adapter) => site.Detach(adapter);
}
