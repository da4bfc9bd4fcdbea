using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A CLIP of a few thousand random weights under the names of OpenAI's code, for <see cref="TinyClip"/>'s tokens.</summary>
public static class OpenAiClip
{
    /// <summary>The sizes of the model: of the space, of a picture, of what both towers carry.</summary>
    public const int Width = 12, Side = 32, Hidden = 64;

    private const int Length = 10, Patch = 8;

    /// <summary>One with a vision transformer or a residual network; the caller's dispose scope owns the tensors.</summary>
    public static IReadOnlyList<(string Name, Tensor Value)> Create(bool network, long seed = 1)
    {
        using var generator = new Generator((ulong)seed, CPU);
        List<(string Name, Tensor Value)> tensors = [];
        Add("positional_embedding", Length, Hidden);
        Add("text_projection", Hidden, Width);
        tensors.Add(("logit_scale", full([], 2.6, ScalarType.Float32, CPU)));
        if (network)
            Network();
        else
            Transformer();
        Blocks("transformer.resblocks", 2);
        Add("token_embedding.weight", TinyClip.Words, Hidden);
        Norm("ln_final", Hidden);
        return tensors;

        void Add(string name, params long[] shape) => tensors.Add((name, randn(shape, ScalarType.Float32, CPU, generator: generator) * 0.2));

        void Norm(string module, long width)
        {
            tensors.Add(($"{module}.weight", 1 + (randn([width], ScalarType.Float32, CPU, generator: generator) * 0.1)));
            Add($"{module}.bias", width);
        }

        void Linear(string module, long outputs, long inputs)
        {
            Add($"{module}.weight", outputs, inputs);
            Add($"{module}.bias", outputs);
        }

        void Blocks(string modules, int count)
        {
            for (int i = 0; i < count; i++)
            {
                Add($"{modules}.{i}.attn.in_proj_weight", 3 * Hidden, Hidden);
                Add($"{modules}.{i}.attn.in_proj_bias", 3 * Hidden);
                Linear($"{modules}.{i}.attn.out_proj", Hidden, Hidden);
                Norm($"{modules}.{i}.ln_1", Hidden);
                Linear($"{modules}.{i}.mlp.c_fc", 4 * Hidden, Hidden);
                Linear($"{modules}.{i}.mlp.c_proj", Hidden, 4 * Hidden);
                Norm($"{modules}.{i}.ln_2", Hidden);
            }
        }

        void Transformer()
        {
            Add("visual.class_embedding", Hidden);
            Add("visual.positional_embedding", (Side / Patch * (Side / Patch)) + 1, Hidden);
            Add("visual.proj", Hidden, Width);
            Add("visual.conv1.weight", Hidden, 3, Patch, Patch);
            Norm("visual.ln_pre", Hidden);
            Blocks("visual.transformer.resblocks", 1);
            Norm("visual.ln_post", Hidden);
        }

        void Network()
        {
            const int Start = Hidden / 32;
            Convolution("visual", 1, Start / 2, 3, 3);
            Convolution("visual", 2, Start / 2, Start / 2, 3);
            Convolution("visual", 3, Start, Start / 2, 3);
            long inputs = Start;
            for (int stage = 0; stage < 4; stage++)
            {
                long planes = Start << stage;
                for (int i = 0; i < (stage == 1 ? 2 : 1); i++)
                {
                    string module = $"visual.layer{stage + 1}.{i}";
                    Convolution(module, 1, planes, inputs, 1);
                    Convolution(module, 2, planes, planes, 3);
                    Convolution(module, 3, 4 * planes, planes, 1);
                    if (i == 0)
                    {
                        Add($"{module}.downsample.0.weight", 4 * planes, inputs, 1, 1);
                        BatchNorm($"{module}.downsample.1", 4 * planes);
                    }
                    inputs = 4 * planes;
                }
            }
            Add("visual.attnpool.positional_embedding", (Side / 32 * (Side / 32)) + 1, Hidden);
            foreach (string projection in new[] { "k_proj", "q_proj", "v_proj" })
                Linear($"visual.attnpool.{projection}", Hidden, Hidden);
            Linear("visual.attnpool.c_proj", Width, Hidden);
        }

        void Convolution(string module, int number, long outputs, long inputs, int side)
        {
            Add($"{module}.conv{number}.weight", outputs, inputs, side, side);
            BatchNorm($"{module}.bn{number}", outputs);
        }

        void BatchNorm(string module, long channels)
        {
            Norm(module, channels);
            Add($"{module}.running_mean", channels);
            tensors.Add(($"{module}.running_var", rand([channels], ScalarType.Float32, CPU, generator: generator) + 0.5));
            tensors.Add(($"{module}.num_batches_tracked", full([], 7, ScalarType.Int64, CPU)));
        }
    }
}
