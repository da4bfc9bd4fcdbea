namespace Microsoft.ML.Peft.Registration;

/// <summary>Names all that an assembly brings: its models, tuners, tasks and whatever else is found by a key.</summary>
internal interface IRegistration
{
    void Register(Registry registry);
}

/// <summary>Says that an assembly brings something.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal abstract class RegistrationAttribute : Attribute
{
    public abstract IRegistration Create();
}

/// <summary>Names the class that says what.</summary>
internal sealed class RegistrationAttribute<T> : RegistrationAttribute
    where T : IRegistration, new()
{
    public override IRegistration Create() => new T();
}
