namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Reads post-processors; all of them come down to a template.</summary>
internal static class TemplateReader
{
    public static Template Read(JsonValue json)
    {
        string type = json["type"].Text();
        return type switch
        {
            "TemplateProcessing" => new Template(Parts(json, "single", pair: false), Parts(json, "pair", pair: true)),
            "BertProcessing" => Template.Around(Id(json["cls"]), Id(json["sep"]), separators: 1, secondType: 1),
            "RobertaProcessing" => Template.Around(Id(json["cls"]), Id(json["sep"]), separators: 2, secondType: 0),
            "ByteLevel" => Template.Plain,
            "Sequence" => json["processors"].Items().Select(Read).LastOrDefault(template => template != Template.Plain) ?? Template.Plain,
            _ => throw json.Unsupported($"the post-processor '{type}'"),
        };
    }

    private static int Id(JsonValue tokenAndId) =>
        tokenAndId.Items().ToArray() is [_, JsonValue id] ? id.Id() : throw tokenAndId.Invalid("expected a token and its id");

    private static List<TemplatePart> Parts(JsonValue json, string name, bool pair)
    {
        JsonValue specials = json["special_tokens"];
        List<TemplatePart> parts = [.. json[name].Items().SelectMany(item => Part(item, specials))];
        bool complete = parts.Any(part => part.Sequence == 0) && parts.Any(part => part.Sequence == 1) == pair;
        return complete ? parts : throw json[name].Invalid("does not name the texts that it is for");
    }

    private static IEnumerable<TemplatePart> Part(JsonValue item, JsonValue specials)
    {
        JsonValue text = item["Sequence"];
        if (!text.IsNull)
        {
            return [TemplatePart.Text(SequenceIndex(text["id"]), Type(text))];
        }
        JsonValue special = item["SpecialToken"];
        return specials[special["id"].Text()]["ids"].Items().Select(id => TemplatePart.Special(id.Id(), Type(special)));
    }

    private static byte SequenceIndex(JsonValue id) => id.Text() switch
    {
        "A" => 0,
        "B" => 1,
        _ => throw id.Invalid("expected A or B"),
    };

    private static byte Type(JsonValue part) =>
        part["type_id"].Number(0) is >= 0 and <= byte.MaxValue and var type ? (byte)type : throw part["type_id"].Invalid("expected 0 to 255");
}
