using System.Numerics.Tensors;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>A smooth function and its gradient at a point.</summary>
/// <param name="point">The point.</param>
/// <param name="gradient">As long as the point; overwritten.</param>
/// <returns>The value.</returns>
internal delegate double SmoothFunction(double[] point, double[] gradient);

/// <summary>Where a search for a minimum ended.</summary>
/// <param name="Point">The point.</param>
/// <param name="Value">The function there.</param>
/// <param name="GradientNorm">The gradient's Euclidean norm there.</param>
/// <param name="Iterations">Steps that were taken.</param>
/// <param name="Converged">Whether the gradient is as small as was asked for, or as small as rounding lets it become.</param>
internal sealed record Minimum(double[] Point, double Value, double GradientNorm, int Iterations, bool Converged);

/// <summary>
/// Minimises a smooth function by limited-memory BFGS (Liu and Nocedal 1989): the last steps and what they changed in the gradient stand for
/// the second derivative. The step's length is halved and doubled until the weak Wolfe conditions hold (Lewis and Overton 2013).
/// </summary>
internal sealed class Lbfgs
{
    private const int Remembered = 10, MostTrials = 60;

    /// <summary>Vectors as long as the point that a search holds: two for each change, and what a step works with.</summary>
    public const int VectorsHeld = (2 * Remembered) + 6;

    // Decrease of the value, and of the slope, that a step has to bring; the usual constants.
    private const double Decrease = 1e-4, Curvature = 0.9;

    // What rounding may do to a value, as a share of it.
    private const double Rounding = 4e-16;

    private readonly SmoothFunction _function;
    private readonly LinkedList<Change> _changes = [];
    private double[] _point, _gradient;
    private double _value;

    private Lbfgs(SmoothFunction function, double[] start)
    {
        (_function, _point, _gradient) = (function, start, new double[start.Length]);
        _value = function(_point, _gradient);
    }

    /// <param name="function">The function.</param>
    /// <param name="start">Where the search begins; not changed.</param>
    /// <param name="tolerance">The gradient's norm at which it ends, as a share of the norm at the start.</param>
    /// <param name="maxIterations">Steps at most.</param>
    /// <param name="cancellation">Ends it between two steps.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Minimum Minimize(SmoothFunction function, double[] start, double tolerance, int maxIterations, CancellationToken cancellation = default)
    {
        var search = new Lbfgs(function, [.. start]);
        double goal = tolerance * search.GradientNorm;
        int iteration = 0;
        bool moved = true;
        while (search.GradientNorm > goal && moved && iteration < maxIterations)
        {
            cancellation.ThrowIfCancellationRequested();
            moved = search.Step();
            iteration += moved ? 1 : 0;
        }
        return new Minimum(search._point, search._value, search.GradientNorm, iteration, search.GradientNorm <= goal || !moved);
    }

    private double GradientNorm => TensorPrimitives.Norm(_gradient);

    /// <summary>Takes one step; false where no length of it brings the value down by more than rounding.</summary>
    private bool Step()
    {
        double[] direction = Direction();
        double slope = TensorPrimitives.Dot(direction, _gradient);
        // The first direction is the gradient, which knows no length.
        double length = _changes.Count == 0 ? Math.Min(1, 1 / GradientNorm) : 1, least = 0, most = double.PositiveInfinity;
        for (int trial = 0; trial < MostTrials; trial++)
        {
            double[] point = new double[_point.Length], gradient = new double[_point.Length];
            TensorPrimitives.MultiplyAdd(direction, length, _point, point);
            double value = _function(point, gradient);
            if (!(value <= _value + (Decrease * length * slope) + (Rounding * Math.Abs(_value))))
                most = length;
            else if (TensorPrimitives.Dot(direction, gradient) < Curvature * slope)
                least = length;
            else
                return Move(point, gradient, value);
            length = double.IsInfinity(most) ? 2 * length : (least + most) / 2;
        }
        return false;
    }

    private bool Move(double[] point, double[] gradient, double value)
    {
        var change = Change.Between(_point, point, _gradient, gradient);
        bool moves = change.Product > 0;
        if (moves)
        {
            _changes.AddLast(change);
            if (_changes.Count > Remembered)
                _changes.RemoveFirst();
        }
        (_point, _gradient, _value) = (point, gradient, value);
        return moves;
    }

    /// <summary>The remembered changes' inverse second derivative times the gradient, downwards (the two loops of Nocedal 1980).</summary>
    private double[] Direction()
    {
        double[] direction = [.. _gradient];
        var shares = new Stack<double>();
        for (LinkedListNode<Change>? node = _changes.Last; node is not null; node = node.Previous)
        {
            double share = TensorPrimitives.Dot(node.Value.Step, direction) / node.Value.Product;
            TensorPrimitives.MultiplyAdd(node.Value.Gradient, -share, direction, direction);
            shares.Push(share);
        }
        if (_changes.Last is { Value: var last })
            TensorPrimitives.Multiply(direction, last.Product / TensorPrimitives.SumOfSquares<double>(last.Gradient), direction);
        foreach (Change change in _changes)
        {
            double share = shares.Pop() - (TensorPrimitives.Dot(change.Gradient, direction) / change.Product);
            TensorPrimitives.MultiplyAdd(change.Step, share, direction, direction);
        }
        TensorPrimitives.Negate(direction, direction);
        return direction;
    }

    /// <summary>A step, and what it changed in the gradient.</summary>
    private sealed record Change(double[] Step, double[] Gradient, double Product)
    {
        public static Change Between(double[] from, double[] to, double[] gradientFrom, double[] gradientTo)
        {
            double[] step = new double[from.Length], gradient = new double[from.Length];
            TensorPrimitives.Subtract(to, from, step);
            TensorPrimitives.Subtract(gradientTo, gradientFrom, gradient);
            return new Change(step, gradient, TensorPrimitives.Dot(step, gradient));
        }
    }
}
