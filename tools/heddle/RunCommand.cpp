//===- RunCommand.cpp - heddle run: a spec on inputs, checked against its definition ------------===//

#include "Commands.h"
#include "Compiling.h"
#include "Kernel.h"
#include "Reference.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace llvm;
using namespace heddle;

namespace {
/// What the command line says beside the spec.
struct Wishes {
  int64_t threads = 1, seed = 0;
  bool emulate = false;
  Layout layout = Layout::Contiguous;
};

constexpr int64_t memoryLimit = int64_t(8) << 30;
constexpr double checkBudget = 2e9; // multiplications of the definition, some seconds

std::optional<Wishes> parseWishes(const opt::InputArgList &args, const Input &input) {
  Wishes wishes;
  std::optional<int64_t> threads = parseInteger(args, OPT_threads, 1, 1),
                         seed = parseInteger(args, OPT_seed, 0, 0);
  if (!threads || !seed)
    return std::nullopt;
  wishes.threads = *threads, wishes.seed = *seed;
  bool gpu = input.targets.front()->kind == TargetKind::Gpu;
  StringRef device = args.getLastArgValue(OPT_device, gpu ? "emulator" : "cpu");
  if (device != "cpu" && device != "emulator" && device != "cuda") {
    printError("unknown device '" + device + "'; there are cpu, emulator, cuda");
    return std::nullopt;
  }
  if ((device == "cpu") == gpu) {
    printError("device '" + device + "' does not run target '" + input.targets.front()->name + "'");
    return std::nullopt;
  }
  wishes.emulate = device == "emulator";
  StringRef layout = args.getLastArgValue(OPT_strides, "contiguous");
  if (layout == "padded" || layout == "broadcast")
    wishes.layout = layout == "padded" ? Layout::Padded : Layout::Broadcast;
  else if (layout != "contiguous") {
    printError("unknown layout '" + layout + "'; there are contiguous, padded, broadcast");
    return std::nullopt;
  }
  return wishes;
}

/// Dims that files fix, where --shape does not.
bool shapesFromFiles(const Spec &spec, const std::map<std::string, NpyArray> &arrays,
                     std::map<std::string, int64_t> &shape) {
  for (const auto &[name, array] : arrays) {
    const SpecTensor &tensor = *spec.findTensor(name);
    if (array.shape.size() != tensor.axes.size()) {
      printError("'" + name + "' has " + Twine(tensor.axes.size()) + " axes in the spec, " +
                 Twine(array.shape.size()) + " in the file");
      return false;
    }
    for (size_t i = 0; i < tensor.axes.size(); ++i)
      if (tensor.axes[i].size->kind == ExprKind::Dim)
        shape.emplace(tensor.axes[i].size->name, array.shape[i]);
  }
  return true;
}

void print(const Input &input, const std::vector<Deviation> &deviations, const std::string &variant,
           bool asJson) {
  if (asJson) {
    json::OStream os(outs());
    os.object([&] {
      os.attribute("spec", input.spec.name);
      os.attribute("variant", variant);
      os.attributeArray("results", [&] {
        for (const Deviation &d : deviations)
          os.object([&] {
            os.attribute("name", d.tensor);
            os.attribute("checked", d.checked);
            os.attribute("error", d.worst);
            os.attribute("share", std::min(d.share, 1e300));
            os.attribute("ok", d.good);
          });
      });
    });
    outs() << "\n";
    return;
  }
  for (const Deviation &d : deviations) {
    outs() << formatv(
        "{0}: {1}: {2} elements, largest error {3:E2}, {4:F2} of what is allowed{5}\n",
        input.spec.name, d.tensor, d.checked, d.worst, d.share, d.good ? "" : "  MISMATCH");
    if (!d.good)
      outs() << formatv("  element {0}: got {1}, expected {2}\n", d.worstElement, d.got,
                        d.expected);
  }
}

/// The runtime opens the emulator for a driver. It runs warps in an order, and moves approximate functions
/// within their bounds, by the seed, if the environment does not say otherwise.
void useEmulator(int64_t seed) {
  setenv("HEDDLE_LIBCUDA", (libraryFolder() + "/libheddle_cuda_emulator.so").c_str(), 1);
  setenv("HEDDLE_EMULATOR_SEED", std::to_string(seed).c_str(), 0);
  setenv("HEDDLE_EMULATOR_PERTURB", std::to_string(seed + 1).c_str(), 0);
}

bool fill(std::vector<HostTensor> &tensors, const std::map<std::string, NpyArray> &arrays,
          const ValueMap &sizes, uint64_t seed) {
  for (HostTensor &tensor : tensors) {
    std::string fault;
    if (!tensor.spec.isInput()) {
      tensor.poison();
      continue;
    }
    auto file = arrays.find(tensor.spec.name);
    bool good = file != arrays.end() ? fillFrom(tensor, file->second, fault)
                                     : fillRandom(tensor, sizes, seed, fault);
    if (!good)
      return printError(fault), false;
  }
  return true;
}

bool writeResults(const opt::InputArgList &args, const std::vector<HostTensor> &tensors) {
  const opt::Arg *out = args.getLastArg(OPT_out);
  if (!out)
    return true;
  if (std::error_code code = sys::fs::create_directories(out->getValue()))
    return printError(Twine("cannot make the folder ") + out->getValue() + ": " + code.message()),
           false;
  for (const HostTensor &tensor : tensors)
    if (tensor.spec.isResult)
      if (Error error = writeNpy(std::string(out->getValue()) + "/" + tensor.spec.name + ".npy",
                                 toNpy(tensor)))
        return printError(toString(std::move(error))), false;
  return true;
}

/// NAME=FILE.npy among the arguments.
std::optional<std::map<std::string, NpyArray>> readFiles(const opt::InputArgList &args,
                                                         const Spec &spec) {
  std::map<std::string, NpyArray> arrays;
  for (const opt::Arg *arg : args.filtered(OPT_INPUT)) {
    auto [name, path] = StringRef(arg->getValue()).split('=');
    if (path.empty())
      continue;
    const SpecTensor *tensor = spec.findTensor(name.str());
    if (!tensor || !tensor->isInput()) {
      printError("the spec has no input '" + name + "'");
      return std::nullopt;
    }
    Expected<NpyArray> array = readNpy(path);
    if (!array) {
      printError(toString(array.takeError()));
      return std::nullopt;
    }
    arrays[name.str()] = std::move(*array);
  }
  return arrays;
}
} // namespace

int heddle::runRun(const opt::InputArgList &args) {
  int code;
  std::optional<std::map<std::string, NpyArray>> arrays;
  auto sizesOfFiles = [&](const Spec &spec, std::map<std::string, int64_t> &shape) {
    arrays = readFiles(args, spec);
    return arrays && shapesFromFiles(spec, *arrays, shape);
  };
  std::optional<Input> input = readInput(args, /*shapeFixes=*/true, code, sizesOfFiles);
  if (!input)
    return code;
  std::optional<Wishes> wishes = parseWishes(args, *input);
  if (!wishes)
    return exitUsage;
  std::string fault;
  std::optional<ValueMap> sizes =
      input->spec.resolveSizes(input->shape, /*useExample=*/true, &fault);
  std::optional<std::vector<HostTensor>> tensors;
  if (sizes)
    tensors = createTensors(input->spec, *sizes, wishes->layout, memoryLimit, fault);
  if (!tensors)
    return printError(fault), exitUsage;
  if (!fill(*tensors, *arrays, *sizes, wishes->seed))
    return exitUsage;
  CompileOptions options = compileOptions(args, *input);
  options.sizes = &*sizes;
  std::optional<Library> library = compileSpec(input->spec, options, fault);
  if (!library)
    return errs() << fault, exitSpec;
  if (wishes->emulate)
    useEmulator(wishes->seed);
  Expected<std::unique_ptr<Kernel>> kernel = Kernel::load(*library);
  if (!kernel)
    return reportFailure(kernel.takeError());
  bool gpu = input->targets.front()->kind == TargetKind::Gpu;
  (*kernel)->device = gpu ? HEDDLE_CUDA : HEDDLE_CPU;
  (*kernel)->threads = int32_t(wishes->threads);
  if (Error error = (*kernel)->run(input->spec, *tensors, *sizes)) {
    printError(toString(std::move(error)));
    int status = (*kernel)->lastStatus;
    return status == HEDDLE_DRIVER_ERROR ? exitKernelFault
           : status == HEDDLE_NO_DRIVER  ? exitMissingTool
                                         : exitUsage;
  }
  if (!writeResults(args, *tensors))
    return exitUsage;
  std::string gaveUp;
  std::optional<std::vector<Deviation>> deviations =
      compareWithDefinition(input->spec, *sizes, *tensors, checkBudget, fault, gaveUp);
  if (!gaveUp.empty())
    return printError("the results are not checked: the definition " + gaveUp), exitUsage;
  if (!deviations)
    return printError("the definition cannot be evaluated: " + fault), exitInternal;
  print(*input, *deviations, library->variants.front().name(), args.hasArg(OPT_json));
  bool good = all_of(*deviations, [](const Deviation &d) { return d.good; });
  return good ? exitOk : exitMismatch;
}
