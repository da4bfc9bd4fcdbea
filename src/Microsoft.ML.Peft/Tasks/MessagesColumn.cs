using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>The messages of a chat: a JSON array, or a vector of texts by user and assistant in turn.</summary>
internal sealed class MessagesColumn(string name) : TaskColumn(name, "Messages")
{
    private readonly TextColumn _json = new(name, "Messages");

    protected override string Expected => "text (a JSON array of messages) or a vector of text";

    public Func<IReadOnlyList<ChatTurn>> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        if (column.Type is not VectorDataViewType { ItemType: TextDataViewType })
        {
            Func<string> json = _json.Read(row);
            return () => Parse(json(), row.Position);
        }
        var getter = row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(column);
        VBuffer<ReadOnlyMemory<char>> texts = default;
        return () =>
        {
            getter(ref texts);
            return [.. texts.DenseValues().Select((text, i) => new ChatTurn(i % 2 == 0 ? "user" : "assistant", text.ToString()))];
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.ItemType == TextDataViewType.Instance;

    private ChatTurn[] Parse(string json, long row)
    {
        try
        {
            if (JsonNode.Parse(json) is JsonArray messages && messages.All(message => message is JsonObject))
                return [.. messages.Select(message => new ChatTurn(message!.AsObject()))];
            throw Malformed(row, "found other JSON", null);
        }
        catch (JsonException e)
        {
            throw Malformed(row, e.Message, e);
        }
    }

    private InvalidDataException Malformed(long row, string found, Exception? inner) =>
        new($"Row {row}: column '{Name}' must be a JSON array of messages with role and content; {found}.", inner);
}
