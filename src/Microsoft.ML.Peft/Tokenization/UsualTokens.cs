namespace Microsoft.ML.Peft.Tokenization;

/// <summary>The names that families of models give their special tokens: they hold until a file says otherwise.</summary>
internal static class UsualTokens
{
    private static readonly Dictionary<string, string[]> Names = new()
    {
        ["pad_token"] = ["[PAD]", "<pad>"],
        ["mask_token"] = ["[MASK]", "<mask>"],
        ["cls_token"] = ["[CLS]"],
        ["sep_token"] = ["[SEP]"],
        ["bos_token"] = ["<s>", "<|startoftext|>", "<|endoftext|>"],
        ["eos_token"] = ["</s>", "<|endoftext|>"],
    };

    /// <summary>The usual tokens of the roles of which neither the main file nor the configuration says anything.</summary>
    /// <param name="pipeline">What the main file says.</param>
    /// <param name="config">What the configuration says: a role that is null there has no token.</param>
    /// <param name="exists">Whether the tokenizer has a token.</param>
    public static IEnumerable<(string Role, string Token)> Find(Pipeline pipeline, TokenizerConfig config, Func<string, bool> exists) =>
        from role in Names
        where !config.Says(role.Key) && !pipeline.Roles.ContainsKey(role.Key)
        let token = role.Value.FirstOrDefault(exists)
        where token is not null
        select (role.Key, token);
}
