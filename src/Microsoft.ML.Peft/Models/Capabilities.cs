using System.Reflection;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Models;

/// <summary>Marks what a model may be able to do, with the words for a model that is not.</summary>
[AttributeUsage(AttributeTargets.Interface | AttributeTargets.Class)]
internal sealed class CapabilityAttribute(string lack) : Attribute
{
    private readonly string _lack = lack;

    public static string LackOf(Type capability) => capability.GetCustomAttribute<CapabilityAttribute>()!._lack;
}

/// <summary>Reads texts as tokens: a model of texts, or one that has such a part.</summary>
[Capability("reads no texts")]
internal interface IReadsTokens
{
    /// <summary>The table of the tokens.</summary>
    TokenEmbedding Tokens { get; }

    /// <summary>The longest row in tokens.</summary>
    int MaxLength { get; }
}

/// <summary>One label for a text.</summary>
[Capability("has no head for sequence classification")]
internal interface ISequenceClassifier
{
    Head CreateSequenceClassificationHead(int labels);
}

/// <summary>A label for each token.</summary>
[Capability("has no head for token classification")]
internal interface ITokenClassifier
{
    Head CreateTokenClassificationHead(int labels);
}

/// <summary>Finds where an answer begins and ends in a text.</summary>
[Capability("has no head for question answering")]
internal interface IQuestionAnswerer
{
    Head CreateQuestionAnsweringHead();
}

/// <summary>Says what stands behind a mask.</summary>
[Capability("has no head for masked language modelling")]
internal interface IMaskedLanguageModel
{
    Head CreateMaskedLanguageModelHead();
}

/// <summary>Says what comes next: what it writes goes on with what it reads.</summary>
[Capability("has no head for causal language modelling")]
internal interface ICausalLanguageModel : IWritesTexts;

/// <summary>Several tasks over one model, each with a linear classifier of its own (P-tuning v2, Liu et al. 2022).</summary>
[Capability("has no heads for several tasks at once")]
internal interface ISeveralClassifiers
{
    /// <param name="name">The task's name, which stands in those of the head's weights.</param>
    /// <param name="labels">Its classes.</param>
    /// <returns>A head over each position that is read.</returns>
    Head CreateNamedHead(string name, int labels);

    /// <summary>The one position of each row at which a text as a whole is read.</summary>
    PositionSelection TextPosition(Batch batch);
}
