namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Reads Hugging Face's tokenizer.json.</summary>
internal static class TokenizerJson
{
    public static Pipeline Read(TokenizerFile file)
    {
        JsonValue root = JsonValue.Read(file);
        ModelParts model = ModelReader.Read(root["model"]);
        IDecoder? decoder = root["decoder"].IsNull ? null : DecoderReader.Read(root["decoder"]);
        return new Pipeline
        {
            Vocabulary = model.Vocabulary,
            Model = model.Model,
            UnknownToken = model.UnknownToken,
            AddedTokens = root["added_tokens"].IsNull
                ? []
                : [.. root["added_tokens"].Items().Select(token => AddedTokenReader.Read(token, token["id"].Id()))],
            NumbersAddedTokens = true,
            Normalizer = root["normalizer"].IsNull ? null : NormalizerReader.Read(root["normalizer"]),
            PreTokenizer = root["pre_tokenizer"].IsNull ? null : PreTokenizerReader.Read(root["pre_tokenizer"]),
            Bytes = PreTokenizerReader.UsesBytes(root["pre_tokenizer"]),
            Template = root["post_processor"].IsNull ? Template.Plain : TemplateReader.Read(root["post_processor"]),
            Decoder = decoder is ByteLevelDecoder ? ByteLevelDecoder.WithSuffix(model.EndOfWordSuffix) : decoder,
        };
    }
}
