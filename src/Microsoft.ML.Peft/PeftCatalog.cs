using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft
{
    /// <summary>Estimators that fine-tune Hugging Face models: the result of <c>mlContext.Peft()</c>.</summary>
    public sealed partial class PeftCatalog
    {
        private readonly IHostEnvironment _environment;

        internal PeftCatalog(IHostEnvironment environment) => _environment = environment;

        /// <summary>Fine-tunes a model with LoRA.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="rank">Rank of the update; null (the default) for 8.</param>
        /// <param name="alpha">Scale of the update, which is alpha / rank; null (the default) for the rank.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 1e-3.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public LoraFineTune Lora(
            ModelSource model, PeftTask task, int? rank = null, double? alpha = null, int? maxEpochs = null, int? batchSize = null,
            double? learningRate = null, IDataView? validationSet = null)
        {
            var options = Options<LoraFineTune.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet);
            options.Lora = new LoraOptions { Rank = rank, Alpha = alpha };
            return Lora(options);
        }

        /// <summary>Fine-tunes a model with LoRA.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public LoraFineTune Lora(LoraFineTune.Options options) => new(Host(nameof(LoraFineTune)), Given(options));

        /// <summary>
        /// Fine-tunes a model by QLoRA (Dettmers et al. 2023): NF4 with double quantization below, LoRA on every linear layer, and
        /// the paper's training: the paged optimizer, a constant rate after a short warm-up, gradients clipped at 0.3, gradient
        /// checkpointing.
        /// </summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="rank">Rank of the update; null (the default) for 64.</param>
        /// <param name="alpha">Scale of the update, which is alpha / rank; null (the default) for 16.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 16.</param>
        /// <param name="learningRate">The learning rate; null (the default) for 2e-4.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public QloraFineTune Qlora(
            ModelSource model, PeftTask task, int? rank = null, double? alpha = null, int? maxEpochs = null, int? batchSize = null,
            double? learningRate = null, IDataView? validationSet = null)
        {
            var options = Options<QloraFineTune.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet);
            options.Lora = new LoraOptions { Rank = rank, Alpha = alpha };
            return Qlora(options);
        }

        /// <summary>Fine-tunes a model by QLoRA.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public QloraFineTune Qlora(QloraFineTune.Options options) => new(Host(nameof(QloraFineTune)), Given(options));

        /// <summary>Keeps a model's matrices in 4 bits: NF4 in blocks. Alone, or in the place of a tuner's model.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), or a .gguf file.</param>
        /// <param name="task">What the quantized model answers; null (the default) for a model that is a tuner's base only.</param>
        /// <param name="blockSize">Weights that share a scale: a power of two from 32 to 4096.</param>
        /// <param name="doubleQuantization">Whether the scales are kept in 8 bits in their turn; null (the default) for the method's own: on under QLoRA, off elsewhere.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public Nf4Quantize Nf4Quantize(string model, PeftTask? task = null, int blockSize = 64, bool? doubleQuantization = null) =>
            Nf4Quantize(new Nf4Quantize.Options
            {
                BaseModel = model,
                Task = task,
                Quantization = new QuantizationOptions { BlockSize = blockSize, DoubleQuantization = doubleQuantization },
            });

        /// <summary>Keeps a model's matrices in 4 or 8 bits. Alone, or in the place of a tuner's model.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public Nf4Quantize Nf4Quantize(Nf4Quantize.Options options) => new(Host(nameof(Nf4Quantize)), Given(options));

        /// <summary>Trains every weight of a model.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 2e-5.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public FullFineTune FullFineTune(
            ModelSource model, PeftTask task, int? maxEpochs = null, int? batchSize = null, double? learningRate = null, IDataView? validationSet = null) =>
            FullFineTune(Options<FullFineTune.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet));

        /// <summary>Trains every weight of a model.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public FullFineTune FullFineTune(FullFineTune.Options options) => new(Host(nameof(FullFineTune)), Given(options));

        /// <summary>Learns a prefix (Li and Liang 2021): keys and values of virtual tokens before every layer's own.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="virtualTokens">How many virtual tokens; null (the default) for 20.</param>
        /// <param name="prefixProjection">Whether a network makes the prefix while it is learnt (the paper's form).</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 1e-2, and 1e-3 for a network's.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public PrefixTune PrefixTune(
            ModelSource model, PeftTask task, int? virtualTokens = null, bool prefixProjection = false, int? maxEpochs = null, int? batchSize = null,
            double? learningRate = null, IDataView? validationSet = null)
        {
            var options = Options<PrefixTune.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet);
            options.Prefix = new PrefixOptions { VirtualTokens = virtualTokens, PrefixProjection = prefixProjection };
            return PrefixTune(options);
        }

        /// <summary>Learns a prefix.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public PrefixTune PrefixTune(PrefixTune.Options options) => new(Host(nameof(PrefixTune)), Given(options));

        /// <summary>P-tuning v2 (Liu et al. 2022): prompts on every layer, learnt with dropout, under a classifier of the text or of each token.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="virtualTokens">How many virtual tokens; null (the default) for 20.</param>
        /// <param name="prefixProjection">Whether a network makes the prompts while they are learnt.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 3e-2, and 1e-3 for a network's.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public PTuneV2 PTuneV2(
            ModelSource model, PeftTask task, int? virtualTokens = null, bool prefixProjection = false, int? maxEpochs = null, int? batchSize = null,
            double? learningRate = null, IDataView? validationSet = null)
        {
            var options = Options<PTuneV2.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet);
            options.Prefix = new PrefixOptions { VirtualTokens = virtualTokens, PrefixProjection = prefixProjection };
            return PTuneV2(options);
        }

        /// <summary>P-tuning v2.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public PTuneV2 PTuneV2(PTuneV2.Options options) => new(Host(nameof(PTuneV2)), Given(options));

        /// <summary>P-tuning (Liu, Zheng et al. 2021): vectors of virtual tokens beside a row's own, made by a network while they are learnt.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="virtualTokens">How many virtual tokens; null (the default) for 20.</param>
        /// <param name="encoder">What makes the vectors.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 1e-2.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public PTune PTune(
            ModelSource model, PeftTask task, int? virtualTokens = null, PTuningEncoder encoder = PTuningEncoder.Mlp, int? maxEpochs = null, int? batchSize = null,
            double? learningRate = null, IDataView? validationSet = null)
        {
            var options = Options<PTune.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet);
            options.Prompt = new PTuningOptions { VirtualTokens = virtualTokens, Encoder = encoder };
            return PTune(options);
        }

        /// <summary>P-tuning.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public PTune PTune(PTune.Options options) => new(Host(nameof(PTune)), Given(options));

        /// <summary>Trains a task's head alone, on a base that stays as it is.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 10.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 1e-3.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public LinearProbe LinearProbe(
            ModelSource model, PeftTask task, int? maxEpochs = null, int? batchSize = null, double? learningRate = null, IDataView? validationSet = null) =>
            LinearProbe(Options<LinearProbe.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet));

        /// <summary>Trains a task's head alone, on a base that stays as it is.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public LinearProbe LinearProbe(LinearProbe.Options options) => new(Host(nameof(LinearProbe)), Given(options));

        /// <summary>Learns virtual tokens that stand before every row, over a base that stays as it is (prompt tuning, Lester et al. 2021).</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task">What the model is to learn.</param>
        /// <param name="virtualTokens">How many; null (the default) for 20.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 1e-2.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public PromptTune PromptTune(
            ModelSource model, PeftTask task, int? virtualTokens = null, int? maxEpochs = null, int? batchSize = null, double? learningRate = null,
            IDataView? validationSet = null)
        {
            var options = Options<PromptTune.Options>(model, task, maxEpochs, batchSize, learningRate, validationSet);
            options.Prompt = new PromptOptions { VirtualTokens = virtualTokens };
            return PromptTune(options);
        }

        /// <summary>Learns virtual tokens that stand before every row, over a base that stays as it is.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public PromptTune PromptTune(PromptTune.Options options) => new(Host(nameof(PromptTune)), Given(options));

        /// <summary>Answers a task with a model as it is, where the task needs no head of its own: by a cloze.</summary>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="task"><see cref="PeftTask.ClozeClassification"/> or <see cref="PeftTask.FactualProbing"/>.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing, or the task has something to learn first.</exception>
        public ZeroShot ZeroShot(ModelSource model, PeftTask task) =>
            ZeroShot(new ZeroShot.Options { BaseModel = Given(model).Path, Task = task, Quantization = model.Quantization });

        /// <summary>Answers a task with a model as it is, where the task needs no head of its own: by a cloze.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range, or the task has something to learn first.</exception>
        public ZeroShot ZeroShot(ZeroShot.Options options) => new(Host(nameof(ZeroShot)), Given(options));

        /// <summary>Turns texts into vectors with a model as it is.</summary>
        /// <param name="model">The folder of a Hugging Face model: config.json, weights and tokenizer.</param>
        /// <param name="inputColumnName">The text column.</param>
        /// <param name="outputColumnName">The column of vectors.</param>
        /// <param name="pooling">How token states become one vector; null (the default) for what the folder says, else the last token of a decoder and the mean of other models.</param>
        /// <param name="normalize">Whether vectors get length 1; null (the default) for what the folder says, else true.</param>
        /// <param name="batchSize">Rows scored at once.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public TextEmbedder Embed(
            string model, string inputColumnName = "Text", string outputColumnName = "Embedding", TextPooling? pooling = null,
            bool? normalize = null, int batchSize = 32) => Embed(new TextEmbedder.Options
            {
                BaseModel = model,
                InputColumnName = inputColumnName,
                OutputColumnName = outputColumnName,
                Pooling = pooling,
                Normalize = normalize,
                ScoringBatchSize = batchSize,
            });

        /// <summary>Turns texts into vectors with a model as it is.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public TextEmbedder Embed(TextEmbedder.Options options) => new(Host(nameof(TextEmbedder)), Given(options));

        /// <summary>Lets a model that writes (a decoder, an encoder-decoder) answer prompts, as it is or under an adapter.</summary>
        /// <param name="model">The folder of a Hugging Face model, or a .gguf file.</param>
        /// <param name="promptColumnName">The prompts.</param>
        /// <param name="outputColumnName">What the model writes after each.</param>
        /// <param name="generation">How; null (the default) for what the folder says, else the likeliest token each time, 20 of them.</param>
        /// <param name="adapterFolder">A PEFT folder, or a LoRA adapter as a .gguf file; null (the default) for the model as it is.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public TextCompleter Generate(
            string model, string promptColumnName = "Prompt", string outputColumnName = "GeneratedText", GenerationOptions? generation = null,
            string? adapterFolder = null) => Generate(new TextCompleter.Options
            {
                BaseModel = model,
                Task = PeftTask.TextGeneration(promptColumnName, outputColumnName: outputColumnName, generation: generation),
                AdapterFolder = adapterFolder,
            });

        /// <summary>Lets a model that writes answer prompts, or a decoder chats, as it is or under an adapter.</summary>
        /// <param name="options">All settings.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        public TextCompleter Generate(TextCompleter.Options options) => new(Host(nameof(TextCompleter)), Given(options));

        /// <summary>
        /// How good the answers are that a model gave to questions (<see cref="PeftTask.QuestionAnswer"/>), by the first of each, as SQuAD's evaluation has it.
        /// </summary>
        /// <param name="data">The questions with their answers, right and given.</param>
        /// <param name="answersColumnName">The right answers: a text, or a vector of several; an empty text where there is none.</param>
        /// <param name="predictedAnswerColumnName">The given answers: a text, or a vector of several, the best first.</param>
        /// <returns>Exact match and F1, shares of 1.</returns>
        /// <exception cref="ArgumentException">A column is missing or holds no texts, there is no row, or a row has no right answer.</exception>
        public SquadScore EvaluateAnswers(IDataView data, string answersColumnName = "Answers", string predictedAnswerColumnName = "Answer") =>
            AnswerEvaluation.Of(Given(data), new TextsColumn(answersColumnName, "Answers"), new TextsColumn(predictedAnswerColumnName, "Predicted answer"));

        /// <summary>
        /// Merges an adapter into a checkpoint, from file to file: tensor by tensor, in the base's types, however large it is. Over a
        /// quantized base each matrix is dequantized, added to and quantized again (or written as floats, by option). For an adapter
        /// with a task's head use <see cref="PeftTransformer.SaveMergedModel"/>.
        /// </summary>
        /// <param name="model">The Hugging Face model that the adapter was trained on: its folder, which bitsandbytes may have quantized, or an <c>Nf4Quantize</c> of it.</param>
        /// <param name="adapter">A PEFT folder, or a LoRA adapter as a .gguf file.</param>
        /// <param name="folder">The new folder, which transformers reads; it appears whole or not at all.</param>
        /// <param name="options">The form of a quantized base, and limits to what the merge may lose; null (the default) for the defaults.</param>
        /// <param name="task">What the model answers on the options' sample rows; null (the default) for the next tokens of the column "Text".</param>
        /// <returns>What the merge lost.</returns>
        /// <exception cref="InvalidDataException">A file is malformed, or the adapter does not belong to the model.</exception>
        /// <exception cref="InvalidOperationException">More was lost than the options allow; nothing is left of the folder.</exception>
        /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
        public MergeReport MergeAdapter(ModelSource model, string adapter, string folder, MergeOptions? options = null, PeftTask? task = null)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(Given(model).Path, nameof(model));
            ArgumentException.ThrowIfNullOrWhiteSpace(adapter);
            ArgumentException.ThrowIfNullOrWhiteSpace(folder);
            (options ??= new()).Validate();
            PeftHost host = Host(nameof(MergeAdapter));
            return OfflineMerge.Run(model, adapter, folder, options, task ?? PeftTask.CausalLanguageModelling(), host.Warning);
        }

        private PeftHost Host(string name) => new(_environment, name);

        private static T Options<T>(
            ModelSource model, PeftTask task, int? maxEpochs, int? batchSize, double? learningRate, IDataView? validationSet)
            where T : FineTuneOptions, new()
        {
            var options = new T
            {
                BaseModel = Given(model).Path,
                Task = task,
                Training = new TrainingOptions { MaxEpochs = maxEpochs, BatchSize = batchSize, LearningRate = learningRate },
                ValidationSet = validationSet,
            };
            options.Quantization = model.Quantization ?? options.Quantization;
            return options;
        }

        private static T Given<T>(T options) => options ?? throw new ArgumentNullException(nameof(options));
    }
}

namespace Microsoft.ML
{
    /// <summary>Doors to fine-tuning where ML.NET users look for them.</summary>
    public static class PeftCatalogExtensions
    {
        /// <summary>Estimators that fine-tune Hugging Face models.</summary>
        /// <param name="mlContext">The context.</param>
        /// <returns>The catalog.</returns>
        /// <exception cref="NotSupportedException">This version of ML.NET lacks something that the library needs.</exception>
        public static PeftCatalog Peft(this MLContext mlContext)
        {
            ArgumentNullException.ThrowIfNull(mlContext);
            return new PeftCatalog(mlContext);
        }

        /// <summary>Classifies texts, or pairs of texts, with a model fine-tuned by LoRA.</summary>
        /// <param name="trainers">The catalog of trainers.</param>
        /// <param name="model">The folder of a Hugging Face model (config.json, weights and tokenizer), a .gguf file, or an <c>Nf4Quantize</c> of one.</param>
        /// <param name="labelColumnName">The label, a key.</param>
        /// <param name="scoreColumnName">The probabilities of all classes.</param>
        /// <param name="outputColumnName">The predicted label, a key over the label's values.</param>
        /// <param name="sentence1ColumnName">The text.</param>
        /// <param name="sentence2ColumnName">The second text of a pair; null (the default) for single texts.</param>
        /// <param name="rank">Rank of the update; null (the default) for 8.</param>
        /// <param name="alpha">Scale of the update, which is alpha / rank; null (the default) for the rank.</param>
        /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
        /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
        /// <param name="learningRate">The highest learning rate; null (the default) for 1e-3.</param>
        /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
        /// <returns>The estimator.</returns>
        /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
        public static LoraFineTune LoraTextClassification(
            this MulticlassClassificationCatalog.MulticlassClassificationTrainers trainers, ModelSource model, string labelColumnName = "Label",
            string scoreColumnName = "Score", string outputColumnName = "PredictedLabel", string sentence1ColumnName = "Text",
            string? sentence2ColumnName = null, int? rank = null, double? alpha = null, int? batchSize = null, int? maxEpochs = null,
            double? learningRate = null, IDataView? validationSet = null)
        {
            ArgumentNullException.ThrowIfNull(trainers);
            PeftTask task = PeftTask.TextClassification(sentence1ColumnName, sentence2ColumnName, labelColumnName, outputColumnName, scoreColumnName);
            return new PeftCatalog(PeftHost.EnvironmentOf(trainers)).Lora(
                model, task, rank, alpha, maxEpochs, batchSize, learningRate, validationSet);
        }
    }
}
