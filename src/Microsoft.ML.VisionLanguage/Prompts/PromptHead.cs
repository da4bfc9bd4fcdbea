using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Prompts;

/// <summary>Compares pictures with classes, of each of which a text with learned context vectors speaks.</summary>
internal sealed class PromptHead : Head
{
    private readonly PretrainedModel _model;
    private readonly ClassPrompts _prompts;
    private readonly Parameter _vectors, _prepared;
    private readonly object _preparing = new();
    private volatile bool _isPrepared;

    /// <param name="model">The model; its tower of texts reads the vectors.</param>
    /// <param name="prompts">The classes.</param>
    /// <param name="classes">How many there are.</param>
    /// <param name="context">Vectors of a class.</param>
    /// <param name="classSpecific">Whether each class has vectors of its own.</param>
    /// <param name="start">The ids of tokens whose vectors they start from, as many as there are; null to draw them.</param>
    public PromptHead(PretrainedModel model, ClassPrompts prompts, int classes, int context, bool classSpecific, int[]? start)
    {
        (_model, _prompts) = (model, prompts);
        WeightScope scope = model.Weights.Root["prompt_learner"];
        InputSite entrance = model.Sites.Inputs[0];
        long width = entrance.Tokens.Weight.Inputs;
        _vectors = scope.Load("ctx", Init.Normal, classSpecific ? [classes, context, width] : [context, width]);
        _prepared = scope.LoadConstant("class_vectors", Init.Zeros, classes, model.As<IPairedTowers>().Width);
        if (start is not null && _vectors.IsNew)
            Start(entrance.Tokens, start);
        entrance.Attach(ForwardContext.DefaultAdapter, new ContextVectors(_vectors, prompts));
    }

    public override IReadOnlyList<Parameter> Parameters => [_vectors];

    /// <summary>The classes' vectors. Of another method than <see cref="ClipCoOp"/> an archive may lack them: they are zeros then.</summary>
    public override IReadOnlyList<Parameter> Constants => [_prepared];

    /// <param name="hidden">What the model says of the pictures [B, 1, width].</param>
    /// <param name="batch">The pictures.</param>
    /// <param name="context">The call.</param>
    /// <returns>Logits [B, classes].</returns>
    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) => Compare(hidden, ClassVectors(context));

    /// <summary>The same once training is over.</summary>
    public Tensor Score(Tensor hidden)
    {
        Prepare();
        using var scope = NewDisposeScope();
        return Compare(hidden, _prepared.Value).MoveToOuterDisposeScope();
    }

    /// <summary>Works out what is said of the classes, once, unless an archive brought it.</summary>
    public void Prepare()
    {
        if (_isPrepared)
            return;
        lock (_preparing)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            if (!_isPrepared && _prepared.Value.count_nonzero().ToInt64() == 0)
                _prepared.Assign(ClassVectors(ForwardContext.Inference));
            _isPrepared = true;
        }
    }

    /// <summary>[classes, width], of length 1.</summary>
    private Tensor ClassVectors(ForwardContext context) =>
        Normal(_model.Features(_prompts.Collate(_model.Weights.Device), this, context with { Adapter = ForwardContext.DefaultAdapter }));

    private Tensor Compare(Tensor hidden, Tensor classes) => Normal(hidden).mm(classes.t()).mul(_model.As<IPairedTowers>().Scale.Value.exp());

    private void Start(TokenEmbedding tokens, int[] start)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _vectors.Assign(tokens.Forward(from_array(start.Select(id => (long)id).ToArray(), device: _model.Weights.Device).unsqueeze(0), ForwardContext.Inference).squeeze(0).expand_as(_vectors.Value));
    }

    private static Tensor Normal(Tensor states) => nn.functional.normalize(states.squeeze(1), 2, 1, 1e-12);
}
