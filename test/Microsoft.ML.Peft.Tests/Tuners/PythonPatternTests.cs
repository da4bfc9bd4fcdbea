using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Tests.Tuners;

/// <summary>Python's regular expressions in .NET's form.</summary>
[TestClass]
public sealed class PythonPatternTests
{
    [TestMethod]
    [DataRow(@".*\.(?P<part>q|v)_proj", "model.layers.0.q_proj", true)]
    [DataRow(@"(?P<a>[qv])_(?P=a)", "q_q", true)]
    [DataRow(@"(?P<a>[qv])_(?P=a)", "q_v", false)]
    [DataRow(@"layers\.1\Z", "layers.1", true)]
    [DataRow(@"[]a]+", "]a", true)]
    [DataRow(@"[a-z-[aeiou]]", "b", false)]
    [DataRow(@"[^]b]\]", "a]", true)]
    [DataRow(@"\(\?P<x>", "(?P<x>", true)]
    public void ItMatchesAsInPython(string pattern, string text, bool matches) =>
        Assert.AreEqual(matches, Regex.IsMatch(text, $"^(?:{PythonPattern.ToNet(pattern)})$"));

    [TestMethod]
    [DataRow("q_(proj")]
    [DataRow("[q")]
    [DataRow("[")]
    [DataRow(@"q\")]
    [DataRow("(?P=a")]
    public void WhatIsNoneIsSaid(string pattern)
    {
        Assert.IsNotNull(PythonPattern.Fault(pattern));
        Assert.Contains("TargetPattern", Assert.ThrowsExactly<ArgumentException>(new LoraOptions { TargetPattern = pattern }.Create).Message);
    }
}
