using Microsoft.ML.Peft.Data;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Inputs;

/// <summary>What rows of pictures have beside the picture itself.</summary>
internal static class PictureFields
{
    /// <summary>The row, the column and the file of a picture, for errors.</summary>
    public static readonly Field<char> Source = new("picture_source", Collation.None) { IsNote = true };

    /// <summary>What was drawn for this step of training, as <see cref="PictureDraw"/> has it.</summary>
    public static readonly Field<double> Draw = new("picture_draw", Collation.None);
}
