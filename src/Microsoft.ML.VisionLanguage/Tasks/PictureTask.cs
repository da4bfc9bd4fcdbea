using System.Text.Json.Serialization;
using Microsoft.ML.Peft;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>A task with one picture a row.</summary>
internal abstract class PictureTask : PeftTask
{
    [NotLearnt]
    public required string ImageColumnName { get; init; }

    /// <summary>How pictures are read, which the processor keeps.</summary>
    [NotLearnt]
    [JsonIgnore]
    public PictureOptions Pictures { get; init; } = new();

    private protected PictureColumn Image => new(ImageColumnName);
}
