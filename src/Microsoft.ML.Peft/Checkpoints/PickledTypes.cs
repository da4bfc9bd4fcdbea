using System.Collections.Frozen;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The globals that the pickle of a state dict or a module may name, and what calling them gives.</summary>
internal static class PickledTypes
{
    private const string OrderedDict = "collections.OrderedDict", Size = "torch.Size";
    private const string Tensor = "torch._utils._rebuild_tensor_v2", Parameter = "torch._utils._rebuild_parameter";
    private const string ScriptClasses = "__torch__", TypeTag = "torch.jit._pickle.restore_type_tag";
    private const int MostDimensions = 64;

    // How TorchScript writes lists of one type.
    private static readonly FrozenSet<string> s_lists = new[]
    {
        "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist",
    }.ToFrozenSet();

    private static readonly FrozenDictionary<string, ScalarType> s_storages = new Dictionary<string, ScalarType>
    {
        ["torch.DoubleStorage"] = ScalarType.Float64, ["torch.FloatStorage"] = ScalarType.Float32,
        ["torch.HalfStorage"] = ScalarType.Float16, ["torch.BFloat16Storage"] = ScalarType.BFloat16,
        ["torch.LongStorage"] = ScalarType.Int64, ["torch.IntStorage"] = ScalarType.Int32,
        ["torch.ShortStorage"] = ScalarType.Int16, ["torch.CharStorage"] = ScalarType.Int8,
        ["torch.ByteStorage"] = ScalarType.Byte, ["torch.BoolStorage"] = ScalarType.Bool,
    }.ToFrozenDictionary();

    private static readonly FrozenSet<string> s_others = new[]
    {
        OrderedDict, Size, Tensor, Parameter, TypeTag, "torch.float64", "torch.float32", "torch.float16", "torch.bfloat16",
        "torch.int64", "torch.int32", "torch.int16", "torch.int8", "torch.uint8", "torch.bool",
    }.ToFrozenSet();

    public static PickledGlobal Global(string module, string name, string file)
    {
        var global = new PickledGlobal(module, name);
        return s_others.Contains(global.ToString()) || s_storages.ContainsKey(global.ToString()) || s_lists.Contains(global.ToString()) || IsScriptClass(global)
            ? global
            : throw Malformed.File(file, "only tensors, dictionaries and modules in the pickle", $"the global {global}, which is not allowed");
    }

    /// <summary>An object of a class: a TorchScript module, whose attributes follow.</summary>
    public static PickledObject New(object?[] arguments, PickledGlobal type, string file) => arguments.Length == 0 && IsScriptClass(type)
        ? new PickledObject()
        : throw Malformed.File(file, "objects of TorchScript's classes alone", $"one of {type}");

    /// <summary>What a persistent id of <c>torch.save</c> stands for: ("storage", type, key, device, count).</summary>
    public static PickledStorage Storage(object? id, string file)
    {
        // Older files have a sixth part, null unless the storage is a view of another, which no state dict has.
        if (id is object?[] and (["storage", PickledGlobal, string, _, long] or ["storage", PickledGlobal, string, _, long, null])
            && id is object?[] and [_, PickledGlobal type, string key, _, long count, ..]
            && count >= 0 && s_storages.TryGetValue(type.ToString(), out ScalarType element))
            return new(key, element, count);
        throw Malformed.File(file, "a reference to a storage", Name(id));
    }

    public static object? Call(PickledGlobal function, object?[] arguments, string file) => function.ToString() switch
    {
        OrderedDict when arguments.Length == 0 => new Dictionary<object, object?>(),
        Size when arguments is [object?[] sizes] => sizes,
        Parameter when arguments is [PickledTensor tensor, ..] => tensor,
        TypeTag when arguments is [var tagged, string] => tagged,
        var list when s_lists.Contains(list) && arguments is [List<object?> items] => items,
        Tensor when arguments is [PickledStorage storage, long offset, object?[] shape, object?[] strides, ..] =>
            View(storage, offset, Numbers(shape, file), Numbers(strides, file), file),
        var name => throw Malformed.File(file, "the arguments of a state dict's pickle", $"{name}({string.Join(", ", arguments.Select(Name))})"),
    };

    public static string Name(object? value) => value?.GetType().Name ?? "None";

    private static bool IsScriptClass(PickledGlobal global) =>
        global.Module == ScriptClasses || global.Module.StartsWith(ScriptClasses + ".", StringComparison.Ordinal);

    private static PickledTensor View(PickledStorage storage, long offset, long[] shape, long[] strides, string file)
    {
        string found = $"offset {offset}, shape {Malformed.Shape(shape)}, strides {Malformed.Shape(strides)}";
        if (offset < 0 || shape.Length != strides.Length || shape.Length > MostDimensions
            || !DTypes.TryCountBytes(shape, storage.Type.ElementSize(), out long bytes))
            throw Malformed.File(file, "a tensor's offset, shape and strides", found);
        Int128 end = offset;
        for (int i = 0; i < shape.Length; i++)
            end += (Int128)strides[i] * Math.Max(0, shape[i] - 1);
        bool empty = shape.Contains(0);
        // A stride of 0 could claim any number of elements; memory must stay within the file's size.
        bool expanded = bytes / storage.Type.ElementSize() > storage.Count;
        if (expanded || strides.Any(stride => stride < 0) || (empty ? offset : end + 1) > storage.Count)
            throw Malformed.File(file, $"a tensor within the {storage.Count} elements of storage '{storage.Key}'", found);
        return new(storage, offset, shape, strides);
    }

    private static long[] Numbers(object?[] values, string file) =>
        [.. values.Select(value => value is long number ? number : throw Malformed.File(file, "an integer in a tensor's shape", Name(value)))];
}
