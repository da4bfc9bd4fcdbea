using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Tests.Interop;

/// <summary>A parameter with its moments, stepped by the native kernel or by the formula written out.</summary>
internal sealed unsafe class AdamWState(float[] parameter, float[] gradient, float[] mean, float[] variance)
{
    internal float[] Parameter => parameter;

    internal float[] Gradient { get => gradient; set => gradient = value; }

    internal static AdamWState Make(int count)
        => new(NativeFact.Noise(1, count), NativeFact.Noise(2, count, 0.1f), new float[count], new float[count]);

    internal int Native(int isa, in AdamWStep step)
    {
        fixed (float* p = parameter, g = gradient, m = mean, v = variance)
            return NativeMethods.AdamW(
                isa, p, g, m, v, parameter.Length, step.LearningRate, step.Beta1, step.Beta2, step.Epsilon,
                step.WeightDecay, step.Number, step.GradientScale);
    }

    internal void Reference(in AdamWStep step)
    {
        float decay = (float)(1 - step.LearningRate * step.WeightDecay);
        float size = (float)(step.LearningRate / (1 - Math.Pow(step.Beta1, step.Number)));
        float root = (float)Math.Sqrt(1 - Math.Pow(step.Beta2, step.Number));
        float beta1 = (float)step.Beta1, rest1 = (float)(1 - step.Beta1);
        float beta2 = (float)step.Beta2, rest2 = (float)(1 - step.Beta2);
        float epsilon = (float)step.Epsilon, scale = (float)step.GradientScale;
        for (int i = 0; i < parameter.Length; i++)
        {
            float g = gradient[i] * scale;
            mean[i] = beta1 * mean[i] + rest1 * g;
            variance[i] = beta2 * variance[i] + rest2 * g * g;
            parameter[i] = parameter[i] * decay - size * mean[i] / (MathF.Sqrt(variance[i]) / root + epsilon);
        }
    }

    internal void AssertSameBits(AdamWState other, string what)
    {
        AssertSameBits(parameter, other.Parameter, $"{what}: parameter");
        AssertSameBits(mean, other.Mean, $"{what}: mean");
        AssertSameBits(variance, other.Variance, $"{what}: variance");
    }

    private float[] Mean => mean;

    private float[] Variance => variance;

    private static void AssertSameBits(float[] expected, float[] actual, string what)
        => Assert.IsTrue(MemoryMarshal.AsBytes<float>(expected).SequenceEqual(MemoryMarshal.AsBytes<float>(actual)), what);
}
