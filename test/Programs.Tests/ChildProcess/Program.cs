using Microsoft.ML.Peft.TestSupport;
using Programs.Tests.ChildProcess;

// What a test has another process do. The test host itself never comes here.
ChildProgram.Execute(args, new Dictionary<string, Action<string[]>>
{
    ["merge-quantized"] = Commands.MergeQuantized,
    ["measure-fit"] = Commands.MeasureFit,
    ["time-fit"] = Commands.TimeFit,
});
