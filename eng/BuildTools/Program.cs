using Microsoft.ML.Peft.BuildTools;

// Verbs that the build (and, from the packed package, a user's build) calls.
return args switch
{
    ["publicise", var outputFolder, .. var sources] => Publiciser.Run(outputFolder, sources),
    ["weaken-glibcxx", .. var libraries] => GlibcxxWeakener.Run(libraries),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("usage: peft-build-tools publicise OUTPUT_FOLDER ASSEMBLY... | weaken-glibcxx LIBRARY...");
    return 2;
}
