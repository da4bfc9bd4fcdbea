namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Tests that take minutes each, where the whole suite is to stay under 20: they run where they are asked for.</summary>
public static class LongTests
{
    private const string Variable = "PEFT_LONG_TESTS";

    public static void Require()
    {
        if (Environment.GetEnvironmentVariable(Variable) == "1")
            return;
        Console.WriteLine($"Not decided: takes minutes; set {Variable}=1 to run it.");
        Assert.Inconclusive($"Takes minutes; set {Variable}=1 to run it.");
    }
}
