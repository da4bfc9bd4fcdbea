using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.Tests.Persistence;

// What a test has another process do (see Child): COMMAND ARGUMENTS. The test host itself never comes here.
Dictionary<string, Action<string[]>> commands = new()
{
    ["predict"] = Commands.Predict,
    ["predict-numbers"] = Commands.PredictNumbers,
    ["fit-twice"] = Commands.FitTwice,
    ["merge-quantized"] = Commands.MergeQuantized,
    ["save-forever"] = Commands.SaveForever,
    ["save-without-space"] = Commands.SaveWithoutSpace,
    ["page-without-space"] = Commands.PageWithoutSpace,
    ["resume-unseeded"] = Commands.ResumeUnseeded,
    ["measure-fit"] = Commands.MeasureFit,
    ["time-fit"] = Commands.TimeFit,
    ["stress"] = Stress.Run,
    ["torch-defaults"] = Commands.RunUnderTorchDefaults,
    ["write-archives"] = EarlierArchives.Write,
};
if (args.Length == 0 || !commands.TryGetValue(args[0], out Action<string[]>? run))
    throw new ArgumentException($"Expected one of {string.Join(", ", commands.Keys)}, found '{string.Join(' ', args)}'.");
run(args[1..]);
