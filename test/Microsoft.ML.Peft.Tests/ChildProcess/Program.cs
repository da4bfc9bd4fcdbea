using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.Tests.Persistence;

// What a test has another process do. The test host itself never comes here.
ChildProgram.Execute(args, new Dictionary<string, Action<string[]>>
{
    ["predict"] = Commands.Predict,
    ["predict-numbers"] = Commands.PredictNumbers,
    ["fit-twice"] = Commands.FitTwice,
    ["save-forever"] = Commands.SaveForever,
    ["save-without-space"] = Commands.SaveWithoutSpace,
    ["page-without-space"] = Commands.PageWithoutSpace,
    ["resume-unseeded"] = Commands.ResumeUnseeded,
    ["stress"] = Stress.Run,
    ["torch-defaults"] = Commands.RunUnderTorchDefaults,
    ["write-archives"] = EarlierArchives.Write,
});
