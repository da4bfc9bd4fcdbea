using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>The picture in docs shows the code as it is.</summary>
[TestClass]
public sealed class RoomDrawingTests
{
    private const string Write = "PEFT_WRITE_DRAWING";

    [TestMethod]
    public void TheDrawingOfTheRoomsIsTrue()
    {
        string file = Path.Combine(RepositoryFolder.Root, "docs", "rooms.svg"), drawn = Draw(ArchitectureTests.Rooms);
        if (Environment.GetEnvironmentVariable(Write) == "1")
            File.WriteAllText(file, drawn);
        Assert.AreEqual(drawn, File.ReadAllText(file), $"docs/rooms.svg shows other rooms or arrows than the code has: run this test with {Write}=1, and commit the file.");
    }

    /// <summary>An arrow more or less is seen.</summary>
    [TestMethod]
    public void AnotherArrowIsAnotherDrawing()
    {
        SourceType upper = Type("Upper/A.cs"), middle = Type("Middle/B.cs"), lower = Type("Lower/C.cs");
        var rooms = new Rooms(["[Microsoft.ML.Peft]", "Lower:", "Middle: Lower", "Upper: Middle Lower"]);
        string without = Draw(new Arrow(upper, middle, null)), with = Draw(new Arrow(upper, middle, null), new Arrow(middle, lower, null));
        Assert.AreNotEqual(without, with);
        // What another arrow implies is not drawn.
        Assert.AreEqual(with, Draw(new Arrow(upper, middle, null), new Arrow(middle, lower, null), new Arrow(upper, lower, null)));

        string Draw(params Arrow[] arrows) => new RoomDrawing(rooms, [upper, middle, lower], arrows).ToSvg();
        SourceType Type(string file) => new(file, ["Microsoft.ML.Peft/" + file], IsConcrete: false);
    }

    private static string Draw(Rooms rooms)
    {
        string[] assemblies = ["Microsoft.ML.Peft", "Microsoft.ML.VisionLanguage"];
        using var library = new SourceLibrary([.. assemblies.Select(SourceLibrary.Tested)]);
        return new RoomDrawing(rooms, [.. assemblies.SelectMany(library.TypesOf)], [.. assemblies.SelectMany(library.ArrowsOf)]).ToSvg();
    }
}
