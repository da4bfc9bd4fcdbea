using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Checkpoints;

/// <summary>What an open_clip_config.json says, in the words of Hugging Face's files. What it says of nothing means what open_clip means then.</summary>
internal sealed class OpenClipConfig
{
    private const string ModelKey = "model_cfg", VisionKey = "vision_cfg", TextKey = "text_cfg", PicturesKey = "preprocess_cfg";
    private const int Bilinear = 2, Reduction = 32;

    private readonly string _file;
    private readonly HfConfig _model, _vision, _text;
    private readonly HfConfig? _pictures;
    private readonly string _activation;

    private OpenClipConfig(HfConfig root, string file)
    {
        (_file, _model, _pictures) = (file, root.Section(ModelKey), root.Has(PicturesKey) ? root.Section(PicturesKey) : null);
        (_vision, _text) = (_model.Section(VisionKey), _model.Section(TextKey));
        _activation = _model.Bool("quick_gelu", false) ? "quick_gelu" : "gelu";
        OpenClipParts.Check(_model, _vision, _text, file);
    }

    private bool IsNetwork => _vision.Kind("layers") == JsonValueKind.Array;

    /// <exception cref="InvalidDataException">The file is malformed.</exception>
    /// <exception cref="NotSupportedException">The model has a part that is not known; the message names it.</exception>
    public static OpenClipConfig Read(string file) => new(HfConfig.Parse(File.ReadAllBytes(file), file), file);

    /// <summary>The model's config.json.</summary>
    public JsonObject Model()
    {
        // OpenAI's way, the highest id of a row, goes by CLIP's legacy 2 there; who means 2 is called as the family that does.
        bool readsOwnEnd = _text.String("pool_type", "argmax") == "eos";
        return new JsonObject
        {
            ["model_type"] = readsOwnEnd ? "metaclip_2" : "clip",
            ["architectures"] = new JsonArray(readsOwnEnd ? "MetaClip2Model" : "CLIPModel"),
            ["projection_dim"] = _model.Int("embed_dim"),
            ["logit_scale_init_value"] = _model.Double("init_logit_scale", Math.Log(1 / 0.07)),
            ["text_config"] = Tower(_text, _text.Int("width", 512), _text.Int("heads", 8), new JsonObject
            {
                ["vocab_size"] = _text.Int("vocab_size", 49408),
                ["max_position_embeddings"] = _text.Int("context_length", 77),
                ["eos_token_id"] = readsOwnEnd ? _text.Int("eos_id") : 2,
            }),
            ["vision_config"] = IsNetwork ? Network() : Transformer(),
        };
    }

    /// <summary>The model's preprocessor_config.json.</summary>
    /// <exception cref="NotSupportedException">Pictures are to be resized in a way that is not known.</exception>
    public JsonObject Pictures()
    {
        int side = _pictures is { } pictures && pictures.Has("size") ? Side(pictures, "size") : Side(_vision, "image_size");
        JsonObject settings = ClipPictures.Settings(side);
        if (_pictures is not { } given)
            return settings;
        if (given.Has("mean"))
            settings["image_mean"] = ClipPictures.Numbers(given.Doubles("mean"));
        if (given.Has("std"))
            settings["image_std"] = ClipPictures.Numbers(given.Doubles("std"));
        // "random" is for training; pictures that are scored are resampled bicubically then.
        if (given.String("interpolation", "bicubic") == "bilinear")
            settings["resample"] = Bilinear;
        switch (given.String("resize_mode", "shortest"))
        {
            case "shortest":
                return settings;
            case "squash":
                settings["do_center_crop"] = false;
                settings["size"] = new JsonObject { ["height"] = side, ["width"] = side };
                return settings;
            case var other:
                throw new NotSupportedException($"{_file}: resize_mode '{other}' under {PicturesKey} is not known; known are shortest and squash.");
        }
    }

    private JsonObject Transformer()
    {
        int width = _vision.Int("width", 768), head = _vision.Int("head_width", 64);
        return Tower(_vision, width, width / Math.Max(1, head), new JsonObject
        {
            ["patch_size"] = Side(_vision, "patch_size", 16),
            ["image_size"] = Side(_vision, "image_size"),
        });
    }

    private JsonObject Network()
    {
        int width = _vision.Int("width", 64), head = _vision.Int("head_width", 64);
        return new JsonObject
        {
            ["layers"] = new JsonArray([.. _vision.Ints("layers").Select(count => (JsonNode)count)]),
            ["width"] = width,
            ["num_attention_heads"] = width * Reduction / Math.Max(1, head),
            ["image_size"] = Side(_vision, "image_size"),
        };
    }

    private JsonObject Tower(HfConfig tower, int width, int heads, JsonObject config)
    {
        config["hidden_size"] = width;
        config["num_hidden_layers"] = tower.Int("layers", 12);
        config["num_attention_heads"] = heads;
        config["intermediate_size"] = (int)(width * tower.Double("mlp_ratio", 4));
        config["hidden_act"] = Activation(tower);
        config["layer_norm_eps"] = tower.Has("norm_kwargs") ? tower.Section("norm_kwargs").Double("eps", 1e-5) : 1e-5;
        return config;
    }

    private string Activation(HfConfig tower)
    {
        const string Key = "act_kwargs";
        string form = tower.Has(Key) ? tower.Section(Key).String("approximate", "none") : "none";
        return (form, _activation) switch
        {
            ("none", _) => _activation,
            ("tanh", "gelu") => "gelu_pytorch_tanh",
            _ => throw new NotSupportedException($"{_file}: {Key} with approximate '{form}' is not known beside {_activation}; known are none and tanh, which is for gelu."),
        };
    }

    // A size may be given for height and width.
    private int Side(HfConfig section, string key, int usual = 224)
    {
        IReadOnlyList<int> sides = section.Ints(key);
        return sides.Distinct().ToArray() switch
        {
            [] => usual,
            [var side] when side > 0 => side,
            _ => throw new NotSupportedException($"{_file}: '{key}' is [{string.Join(", ", sides)}]; only squares of a pixel at least are read."),
        };
    }
}
