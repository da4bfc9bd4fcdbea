using Microsoft.ML.VisionLanguage.Probes;

namespace Microsoft.ML.VisionLanguage.Tests.Probes;

/// <summary>Functions whose minimum is known.</summary>
[TestClass]
public sealed class LbfgsTests
{
    private const double Tolerance = 1e-10;

    [TestMethod]
    public void AnIllConditionedQuadraticHasItsMinimumWhereItWasPut()
    {
        double[] at = [.. Enumerable.Range(0, 20).Select(i => i - 7.5)];
        Minimum found = Lbfgs.Minimize(Quadratic, new double[20], Tolerance, 1000);
        Assert.IsTrue(found.Converged);
        for (int i = 0; i < at.Length; i++)
            Assert.AreEqual(at[i], found.Point[i], 1e-5);
        Assert.AreEqual(3, found.Value, 1e-9);

        // Curvatures from 1 to 10⁴.
        double Quadratic(double[] x, double[] gradient)
        {
            double sum = 3;
            for (int i = 0; i < x.Length; i++)
            {
                double curvature = Math.Pow(10, 4.0 * i / (x.Length - 1));
                sum += 0.5 * curvature * (x[i] - at[i]) * (x[i] - at[i]);
                gradient[i] = curvature * (x[i] - at[i]);
            }
            return sum;
        }
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(10)]
    [DataRow(100)]
    public void RosenbrocksValleyEndsAtOnes(int size)
    {
        double[] start = [.. Enumerable.Range(0, size).Select(i => i % 2 == 0 ? -1.2 : 1)];
        Minimum found = Lbfgs.Minimize(Rosenbrock, start, Tolerance, 1000);
        Assert.IsTrue(found.Converged);
        foreach (double x in found.Point)
            Assert.AreEqual(1, x, 1e-6);
        Assert.AreEqual(-1.2, start[0], "The start was changed.");
    }

    [TestMethod]
    public void AStartAtTheMinimumStaysThere()
    {
        Minimum found = Lbfgs.Minimize(Rosenbrock, [1, 1], Tolerance, 10);
        Assert.AreEqual((0, true), (found.Iterations, found.Converged));
    }

    [TestMethod]
    public void AnUnmetGoalIsSaid()
    {
        Minimum found = Lbfgs.Minimize(Rosenbrock, [-1.2, 1], Tolerance, 5);
        Assert.AreEqual((5, false), (found.Iterations, found.Converged));
        Assert.IsLessThan(24.2, found.Value);
    }

    [TestMethod]
    public void RoundingEndsASearchThatAsksForMore()
    {
        Minimum found = Lbfgs.Minimize(Rosenbrock, [-1.2, 1], 0, 10_000);
        Assert.IsTrue(found.Converged);
        Assert.IsLessThan(10_000, found.Iterations);
        Assert.AreEqual(1, found.Point[0], 1e-6);
    }

    [TestMethod]
    public void CancellationIsHeard()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => Lbfgs.Minimize(Rosenbrock, [-1.2, 1], Tolerance, 100, source.Token));
    }

    private static double Rosenbrock(double[] x, double[] gradient)
    {
        Array.Clear(gradient);
        double sum = 0;
        for (int i = 0; i + 1 < x.Length; i++)
        {
            double valley = x[i + 1] - (x[i] * x[i]), slope = 1 - x[i];
            sum += (100 * valley * valley) + (slope * slope);
            gradient[i] += (-400 * x[i] * valley) - (2 * slope);
            gradient[i + 1] += 200 * valley;
        }
        return sum;
    }
}
