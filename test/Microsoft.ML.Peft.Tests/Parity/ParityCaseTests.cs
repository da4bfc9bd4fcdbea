using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>The reader and the gate of the parity cases can fail.</summary>
[TestClass]
public sealed class ParityCaseTests
{
    private const string Texts = @"^\$\.items\[\d+\]\.(ids|text)$";

    private readonly string _folder = Directory.CreateTempSubdirectory("parity-").FullName;

    private string Case => Path.Combine(_folder, "made-up");

    [TestInitialize]
    public void Write()
    {
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(Case);
        File.WriteAllText(Path.Combine(Case, "case.json"), """{"atol": 0.01, "rtol": 0, "items": [{"ids": [1, 2], "text": "a"}]}""");
        SafetensorsWriter.WriteFile(
            Path.Combine(Case, "io.safetensors"),
            [("in.x", ones(2, 3)), ("out.y", ones(2, 3)), ("out.hidden.1", zeros(4)), ("train.losses", zeros(2))], null);
    }

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void WhatComparesAllPasses() => Run(CompareAll);

    [TestMethod]
    public void AnEmptiedTestFailsWithTheNamesOfWhatIsLeft()
    {
        string message = Failure(_ => { });
        foreach (string name in new[] { "out.y", "out.hidden.1", "train.losses" })
            Assert.Contains(name, message);
    }

    [TestMethod]
    [DataRow("out.y")]
    [DataRow("out.hidden.1")]
    [DataRow("train.losses")]
    public void EachExpectationCounts(string left)
    {
        string message = Failure(parity =>
        {
            foreach (string name in parity.TensorNames.Where(name => name != left && name != "in.x"))
                parity.Check(name, Value(parity, name));
        });
        Assert.EndsWith($": {left}.", message);
    }

    [TestMethod]
    public void AComparedShapeDoesNotCount() => Assert.Contains("out.y", Failure(parity =>
    {
        CollectionAssert.AreEqual(new long[] { 2, 3 }, parity.ShapeOf("out.y"));
        Assert.IsTrue(parity.Has("out.y"));
        Assert.AreEqual(3, parity.CommonColumns("out.y", parity.Input("in.x")));
    }));

    [TestMethod]
    public void AnExpectationIsNotToBeRead() => Run(parity =>
    {
        Assert.ThrowsExactly<ArgumentException>(() => parity.Input("out.y"));
        CompareAll(parity);
    });

    [TestMethod]
    public void APartOfAShapeFails() => Assert.Contains("shapes differ", Failure(parity => parity.Check("out.y", ones(1, 3))));

    [TestMethod]
    public void AValueBeyondTheToleranceFails() => Assert.Contains("beyond the tolerance", Failure(parity => parity.Check("out.y", full([2, 3], 1.02))));

    [TestMethod]
    public void AValueThatIsNoNumberFails() => Assert.Contains("beyond the tolerance", Failure(parity => parity.Check("out.y", full([2, 3], float.NaN))));

    [TestMethod]
    public void AnExceptionIsComparedAndMustNotHold()
    {
        Assert.Contains("out.y", Failure(CompareOthers, excepted: "out.y"));
        Run(parity =>
        {
            CompareOthers(parity);
            parity.Check("out.y", zeros(2, 3));
        }, excepted: "out.y");
        Assert.Contains("no longer applies", Failure(CompareAll, excepted: "out.y"));
    }

    [TestMethod]
    public void ATrainedAdapterCounts()
    {
        string folder = Path.Combine(Case, ParityCase.Trained);
        Directory.CreateDirectory(folder);
        using Tensor weight = ones(3), other = zeros(3);
        SafetensorsWriter.WriteFile(Path.Combine(folder, "adapter_model.safetensors"), [("a", weight), ("b", weight)], null);
        Assert.Contains(ParityCase.Trained, Failure(CompareAll));
        Assert.ThrowsExactly<AssertFailedException>(() => Run(parity => parity.CheckTrained([("a", weight)])));
        Assert.Contains("b after training", Failure(parity => parity.CheckTrained([("a", weight), ("b", other)])));
        Run(parity =>
        {
            CompareAll(parity);
            parity.CheckTrained([("b", weight), ("a", weight)]);
        });
    }

    [TestMethod]
    public void TextsCount() => Assert.Contains("$.items[0].text", Failure(parity =>
    {
        CompareAll(parity);
        parity.Texts.Same(parity.Json["items"]![0]!["ids"]!, [1, 2], "ids");
    }, Texts));

    [TestMethod]
    public void WhatIsNoExpectationIsNotCompared() => Assert.Contains(
        "no expectation", Failure(parity => parity.Texts.Close(parity.Json["atol"]!, [0.01], (_, _) => 0, "atol"), Texts));

    [TestMethod]
    [DataRow("case.json")]
    [DataRow("io.safetensors")]
    public void AMissingFileFails(string file)
    {
        File.Delete(Path.Combine(Case, file));
        Assert.ThrowsExactly<FileNotFoundException>(() => Run(_ => { }));
    }

    [TestMethod]
    public void ACaseThatExpectsNothingFails()
    {
        using Tensor input = ones(1);
        SafetensorsWriter.WriteFile(Path.Combine(Case, "io.safetensors"), [("in.x", input)], null);
        Assert.Contains("expects nothing", Failure(_ => { }));
    }

    /// <summary>Over the cases that are there: a runner that compares nothing fails on every one.</summary>
    [TestMethod, TestCategory("Parity")]
    public void EveryServedCaseFailsUnderAnEmptiedRunner()
    {
        SharedData.RequireFolder(SharedData.Parity);
        foreach (string name in CaseNames.OfParity.Where(name => Families.Committed.Of(name).IsServed))
        {
            string? texts = ParityTests.Runners[Families.Committed.RunnerOf(name)].Texts;
            Assert.ThrowsExactly<AssertFailedException>(() => ParityCase.Run(Path.Combine(SharedData.Parity, name), texts, _ => { }), name);
        }
    }

    private static void CompareAll(ParityCase parity)
    {
        CompareOthers(parity);
        parity.Check("out.y", Value(parity, "out.y"));
    }

    private static void CompareOthers(ParityCase parity)
    {
        foreach (string name in new[] { "out.hidden.1", "train.losses" })
            parity.Check(name, Value(parity, name));
    }

    private static Tensor Value(ParityCase parity, string name) => name == "out.y" ? ones(2, 3) : zeros(parity.ShapeOf(name));

    private void Run(Action<ParityCase> test, string? texts = null, params string[] excepted)
    {
        using var scope = NewDisposeScope();
        ParityCase.Run(Case, texts, test, excepted);
    }

    private string Failure(Action<ParityCase> test, string? texts = null, params string[] excepted) =>
        Assert.ThrowsExactly<AssertFailedException>(() => Run(test, texts, excepted)).Message;
}
