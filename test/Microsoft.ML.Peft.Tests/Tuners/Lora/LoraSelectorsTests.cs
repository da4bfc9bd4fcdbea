using System.Reflection;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>A selector that matches nothing is an error, beside others that match too.</summary>
[TestClass]
public sealed class LoraSelectorsTests
{
    // An option with an entry that matches and one that does not; what is named; a near name.
    private static readonly Dictionary<string, (Action<LoraOptions> Set, string Named, string Near)> s_selectors = new()
    {
        [nameof(LoraOptions.TargetModules)] = (o => o.TargetModules = ["q_proj", "v_prj"], "'v_prj'", "v_proj"),
        [nameof(LoraOptions.TargetPattern)] = (o => (o.TargetModules, o.TargetPattern) = (null, ".*v_prj"), "v_prj", "v_proj"),
        [nameof(LoraOptions.ExcludeModules)] = (o => o.ExcludeModules = ["0.self_attn.q_proj", "self_attn"], "'self_attn'", "q_proj"),
        [nameof(LoraOptions.ExcludePattern)] = (o => o.ExcludePattern = ".*q_prj", "q_prj", "q_proj"),
        [nameof(LoraOptions.RankPattern)] = (o => o.RankPattern = new Dictionary<string, int> { ["q_proj"] = 2, ["q_prj"] = 2 }, "'q_prj'", "q_proj"),
        [nameof(LoraOptions.AlphaPattern)] = (o => o.AlphaPattern = new Dictionary<string, double> { ["q_proj"] = 2, ["k_proj"] = 2 }, "'k_proj'", "q_proj"),
        [nameof(LoraOptions.LayersToTransform)] = (o => o.LayersToTransform = [1, 2], "layer 2", "0, 1"),
        [nameof(LoraOptions.LayersPattern)] = (o => (o.LayersToTransform, o.LayersPattern) = ([1], ["layers", "leyers"]), "'leyers'", "layers"),
        [nameof(LoraOptions.ModulesToSave)] = (o => o.ModulesToSave = ["norm", "lm_hed"], "'lm_hed'", "lm_head"),
        [nameof(LoraOptions.TrainableTokens)] = (o => o.TrainableTokens = [1, 5000], "5000", "259"),
        [nameof(LoraOptions.TrainableTokensByModule)] = (
            o => o.TrainableTokensByModule = new Dictionary<string, IReadOnlyList<int>> { ["embed_tokens"] = [1], ["embed_token"] = [2] }, "'embed_token'", "embed_tokens"),
    };

    public static IEnumerable<object[]> Selectors => s_selectors.Keys.Select(option => new object[] { option });

    [TestMethod]
    [DynamicData(nameof(Selectors))]
    public void OneThatMatchesNothingIsNamedWithNearNames(string option)
    {
        var (set, named, near) = s_selectors[option];
        var options = new LoraOptions { TargetModules = ["q_proj", "v_proj"] };
        set(options);
        string message = Assert.ThrowsExactly<ArgumentException>(() => new TunedDecoder(options).Dispose()).Message;
        Assert.Contains(named, message);
        Assert.Contains(near, message);
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("")]
    public void AnEmptyNameIsRefused(string? name)
    {
        foreach (LoraOptions options in new LoraOptions[] { new() { TargetModules = ["q_proj", name!] }, new() { ExcludeModules = [name!] }, new() { ModulesToSave = [name!] } })
            Assert.Contains("empty name", Assert.ThrowsExactly<ArgumentException>(options.Create).Message);
    }

    [TestMethod]
    public void AllSelectorsAreTried()
    {
        // Lists, maps and texts choose something; the texts of new tokens do not.
        var all = typeof(LoraOptions).GetProperties().Where(p => p.PropertyType == typeof(string) || p.PropertyType.IsInterface)
            .Select(p => p.Name).Where(name => name != nameof(LoraOptions.AddedTokens));
        CollectionAssert.AreEquivalent(all.ToArray(), s_selectors.Keys);
    }

    [TestMethod]
    public void AnArchitecturesOwnTargetsNeedNoNaming()
    {
        using var decoder = new TunedDecoder(new LoraOptions { ModulesToSave = ["lm_head"], RankPattern = new Dictionary<string, int> { ["(?P<end>q_proj)"] = 2 } });
        Assert.AreEqual(2, decoder.Tuner.Trainable.First(p => p.Name.EndsWith("q_proj.lora_A.weight", StringComparison.Ordinal)).Value.shape[0]);
    }
}
