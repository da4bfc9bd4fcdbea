using System.Runtime.CompilerServices;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>
/// The state of one rendering and what it may spend: a template comes with a model from elsewhere, so it can neither run for
/// ever nor fill the memory. Every evaluated node and every element handled is a step, every character made or read is counted.
/// </summary>
internal sealed class Rendering(TimeProvider clock)
{
    public const int MaxSteps = 10_000_000;
    public const int MaxLength = 1 << 24;
    public const long MaxCharacters = 1L << 30;
    public const int MaxCallDepth = 100;

    private long _steps = MaxSteps;
    private long _characters = MaxCharacters;
    private int _calls;

    /// <summary>Where the template is.</summary>
    public int Line { get; private set; } = 1;

    public DateTime Now => clock.GetLocalNow().DateTime;

    public TextBuilder? Main { get; set; }

    /// <summary>Where <c>{% generation %}</c> blocks stand in the text.</summary>
    public List<TextSpan> Generated { get; } = [];

    public void Enter(int line)
    {
        Line = line;
        Step(1);
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new ChatTemplateException("the template nests too deeply");
        }
    }

    public void Step(long count)
    {
        if ((_steps -= count) < 0)
        {
            throw new ChatTemplateException($"the template takes more than {MaxSteps} steps; does it loop without end?");
        }
    }

    /// <summary>Pays for reading or writing characters.</summary>
    public void Pay(long characters)
    {
        if ((_characters -= characters) < 0)
        {
            throw new ChatTemplateException($"the template handles more than {MaxCharacters} characters");
        }
    }

    /// <summary>Pays for a text of a length before it is made.</summary>
    public void PayText(long length)
    {
        Allow(length);
        Pay(length);
    }

    /// <summary>Pays for a text that is made by copying others, which is quick: templates gather long texts piece by piece.</summary>
    public void PayCopy(long length)
    {
        Allow(length);
        Pay(length / 8);
    }

    /// <summary>Refuses a text of that length.</summary>
    public static void Allow(long length)
    {
        if (length > MaxLength)
        {
            throw new ChatTemplateException($"the template makes a text of more than {MaxLength} characters");
        }
    }

    public T Call<T>(string name, Func<T> body)
    {
        if (++_calls > MaxCallDepth)
        {
            throw new ChatTemplateException($"'{name}' calls itself more than {MaxCallDepth} times deep");
        }
        T result = body();
        _calls--;
        return result;
    }

    public string Text(Value value)
    {
        if (value is TextValue text)
        {
            return text.Content;
        }
        TextBuilder builder = new(this);
        value.WriteText(builder);
        return builder.ToString();
    }

    public string Repr(Value value)
    {
        TextBuilder builder = new(this);
        value.WriteRepr(builder);
        return builder.ToString();
    }
}

/// <summary>A text that grows within what the rendering may spend.</summary>
internal sealed class TextBuilder(Rendering rendering)
{
    private readonly StringBuilder _text = new();

    public int Length => _text.Length;

    public TextBuilder Append(ReadOnlySpan<char> text)
    {
        Rendering.Allow((long)_text.Length + text.Length);
        rendering.Pay(text.Length);
        _text.Append(text);
        return this;
    }

    public override string ToString() => _text.ToString();
}

/// <summary>A part of a text: from <paramref name="Start"/> up to, not with, <paramref name="End"/>.</summary>
internal readonly record struct TextSpan(int Start, int End);
