using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Archives of torch.jit.save: the tensors are read, and no class or code in them is.</summary>
[TestClass]
public sealed class ScriptedModuleTests
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.pt");

    [TestCleanup]
    public void Delete() => File.Delete(_file);

    [TestMethod]
    public void TensorsHaveTheirPathsAndValues()
    {
        using var scope = NewDisposeScope();
        (string Name, Tensor Value)[] tensors =
        [
            ("scale", full([], 3, ScalarType.Float32, CPU)), ("blocks.0.weight", arange(0, 6, ScalarType.Float32, CPU).view(2, 3)),
            ("blocks.1.weight", arange(0, 6, ScalarType.Float16, CPU).view(3, 2).t()), ("counter", full([1], 7, ScalarType.Int64, CPU)),
        ];
        ScriptArchive.Write(_file, tensors);
        using var file = PyTorchFile.Open(_file);
        CollectionAssert.AreEquivalent(tensors.Select(tensor => tensor.Name).ToArray(), file.Names.ToArray());
        foreach (var (name, value) in tensors)
            TensorAssert.Close(value, file.Read(name), 0, 0, name);
        using var script = jit.load(_file);
        TensorAssert.Close(tensors[2].Value, script.state_dict()["blocks.1.weight"], 0, 0, "as torch reads it");
    }

    [TestMethod]
    public void ListsAndSettingsBesideTensorsAreNoMatter()
    {
        using var scope = NewDisposeScope();
        Write(pickle => pickle.Text("sizes").Code("ctorch.jit._pickle\nbuild_intlist\n](K\u0001K\u0002e\u0085R").Text("names")
            .Code("ctorch.jit._pickle\nrestore_type_tag\n}").Text("Dict[str, int]").Code("\u0086R").Text("weight").Tensor(ones([2], ScalarType.Float32, CPU)));
        using var file = PyTorchFile.Open(_file);
        CollectionAssert.AreEqual(new[] { "weight" }, file.Names.ToArray());
    }

    [TestMethod]
    public void AnObjectOfAnotherClassIsRefusedByName()
    {
        Write(pickle => pickle.Text("evil").Code("ccollections\nOrderedDict\n)\u0081"));
        Assert.Contains("collections.OrderedDict", Assert.ThrowsExactly<InvalidDataException>(() => PyTorchFile.Open(_file)).Message);
        Write(pickle => pickle.Text("evil").Code("cos\nsystem\n"));
        Assert.Contains("os.system", Assert.ThrowsExactly<InvalidDataException>(() => PyTorchFile.Open(_file)).Message);
        Write(pickle => pickle.Text("evil").Code("c__torch__x\nModule\n)\u0081"));
        Assert.Contains("__torch__x.Module", Assert.ThrowsExactly<InvalidDataException>(() => PyTorchFile.Open(_file)).Message);
    }

    [TestMethod]
    public void AModuleThatHoldsItselfIsRefused()
    {
        // The object is kept as number 0 before its attributes, of which it is one.
        PickleWriter pickle = new PickleWriter().Code("c__torch__\nModule\n)\u0081q\u0000}(").Text("own").Code("h\u0000ub");
        pickle.WriteZip(_file, "model");
        Assert.Contains("modules", Assert.ThrowsExactly<InvalidDataException>(() => PyTorchFile.Open(_file)).Message);
    }

    [TestMethod]
    public void ATreeThatUnfoldsBeyondAllMeasureIsRefused()
    {
        // Each of 40 modules holds the one before it twice.
        PickleWriter pickle = new PickleWriter().Code("c__torch__\nModule\n)\u0081}bq\u0000");
        for (char level = '\u0000'; level < 40; level++)
            pickle.Code("c__torch__\nModule\n)\u0081}(").Text("a").Code($"h{level}").Text("b").Code($"h{level}ubq{(char)(level + 1)}");
        pickle.WriteZip(_file, "model");
        Assert.Contains("1000000 modules", Assert.ThrowsExactly<InvalidDataException>(() => PyTorchFile.Open(_file)).Message);
    }

    private void Write(Func<PickleWriter, PickleWriter> attributes) =>
        attributes(new PickleWriter().Code("c__torch__\nModule\n)\u0081}(")).Code("ub").WriteZip(_file, "model");
}
