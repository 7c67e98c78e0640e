//===- EmulateCommand.cpp - heddle emulate: a PTX file executed without a GPU -------------------===//

#include "Commands.h"
#include "Files.h"
#include "runtime/emulator/Emulator.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace llvm;
using namespace heddle;

namespace {
/// One --arg: a value, or a buffer in "device" memory.
struct Argument {
  uint64_t value = 0;
  uint32_t bytes = 8;
  bool isBuffer = false;
  std::string file; // where a buffer came from; its contents go to FILE.out
  std::vector<char> contents;
};

std::optional<Argument> parseBuffer(StringRef text) {
  Argument argument;
  argument.isBuffer = true;
  uint64_t bytes;
  if (!text.getAsInteger(0, bytes)) {
    if (bytes > (uint64_t(1) << 34))
      return printError("a buffer has at most 16 GiB, not " + text + " bytes"), std::nullopt;
    argument.contents.assign(bytes, 0);
    return argument;
  }
  auto file = MemoryBuffer::getFile(text, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return printError("cannot read " + text + ": " + file.getError().message()), std::nullopt;
  argument.file = text.str();
  argument.contents.assign((*file)->getBufferStart(), (*file)->getBufferEnd());
  return argument;
}

std::optional<Argument> parseArgument(StringRef text) {
  auto [kind, value] = text.split(':');
  Argument argument;
  if (kind == "buf")
    return parseBuffer(value);
  if ((kind == "u64" || kind == "u32") && !value.getAsInteger(0, argument.value)) {
    argument.bytes = kind == "u64" ? 8 : 4;
    return argument;
  }
  double number;
  if (kind == "f32" && !value.getAsDouble(number)) {
    float narrow = float(number);
    memcpy(&argument.value, &narrow, sizeof narrow);
    argument.bytes = 4;
    return argument;
  }
  printError("expected u64:N, u32:N, f32:X, buf:FILE or buf:BYTES in --arg, got '" + text + "'");
  return std::nullopt;
}

/// X, X,Y or X,Y,Z.
bool parseTriple(const opt::InputArgList &args, OptionId id, uint32_t triple[3]) {
  triple[0] = triple[1] = triple[2] = 1;
  const opt::Arg *arg = args.getLastArg(id);
  if (!arg)
    return true;
  SmallVector<StringRef> parts;
  StringRef(arg->getValue()).split(parts, ',');
  bool good = parts.size() <= 3;
  for (size_t i = 0; good && i < parts.size(); ++i)
    good = !parts[i].trim().getAsInteger(10, triple[i]) && triple[i] > 0;
  if (!good)
    printError("expected up to three positive numbers in '" + Twine(arg->getAsString(args)) + "'");
  return good;
}

/// The kernel named, or the only one.
const ptx::Kernel *choose(const ptx::Module &module, StringRef name) {
  std::vector<std::string> names = module.kernelNames();
  if (name.empty() && names.size() == 1)
    return module.find(names.front());
  if (const ptx::Kernel *kernel = module.find(std::string_view(name.data(), name.size())))
    return kernel;
  std::string known;
  for (const std::string &each : names)
    known += (known.empty() ? "" : ", ") + each;
  printError(name.empty() ? "expected --kernel; there are " + Twine(known)
                          : "there is no kernel '" + name + "'; there are " + known);
  return nullptr;
}

bool pack(const ptx::Kernel &kernel, std::vector<Argument> &arguments, ptx::Memory &memory,
          std::vector<uint8_t> &parameters) {
  std::vector<uint32_t> sizes = parameterSizes(kernel), offsets = parameterOffsets(kernel);
  if (sizes.size() != arguments.size()) {
    printError("the kernel has " + Twine(sizes.size()) + " parameters, " + Twine(arguments.size()) +
               " --arg were given");
    return false;
  }
  parameters.resize(sizes.empty() ? 0 : offsets.back() + sizes.back());
  for (size_t i = 0; i < sizes.size(); ++i) {
    Argument &argument = arguments[i];
    if (argument.isBuffer) {
      argument.value = reinterpret_cast<uint64_t>(argument.contents.data());
      memory.add(argument.value, argument.contents.size());
    }
    if (argument.bytes != sizes[i]) {
      printError("parameter " + Twine(i) + " has " + Twine(sizes[i]) + " bytes, --arg gives " +
                 Twine(argument.bytes));
      return false;
    }
    memcpy(parameters.data() + offsets[i], &argument.value, argument.bytes);
  }
  return true;
}
} // namespace

int heddle::runEmulate(const opt::InputArgList &args) {
  std::vector<std::string> files = args.getAllArgValues(OPT_INPUT);
  uint32_t grid[3], block[3];
  std::optional<int64_t> shared = parseInteger(args, OPT_smem, 0, 0),
                         seed = parseInteger(args, OPT_seed, 0, 0);
  if (files.size() != 1)
    return printError("expected one PTX file"), exitUsage;
  if (!shared || !seed || !parseTriple(args, OPT_grid, grid) ||
      !parseTriple(args, OPT_block, block))
    return exitUsage;
  auto text = MemoryBuffer::getFileOrSTDIN(files[0]);
  if (!text)
    return printError("cannot read " + files[0] + ": " + text.getError().message()), exitUsage;
  std::vector<Argument> arguments;
  for (const std::string &word : args.getAllArgValues(OPT_arg)) {
    std::optional<Argument> argument = parseArgument(word);
    if (!argument)
      return exitUsage;
    arguments.push_back(std::move(*argument));
  }
  std::string error;
  StringRef source = (*text)->getBuffer();
  std::unique_ptr<ptx::Module> module =
      ptx::Module::parse(std::string_view(source.data(), source.size()), error);
  if (!module)
    return printError(files[0] + ": " + error), exitKernelFault;
  const ptx::Kernel *kernel = choose(*module, args.getLastArgValue(OPT_kernel));
  ptx::Memory memory;
  std::vector<uint8_t> parameters;
  if (!kernel || !pack(*kernel, arguments, memory, parameters))
    return exitUsage;
  ptx::LaunchOptions options;
  options.seed = options.perturb = uint64_t(*seed);
  ptx::LaunchResult result =
      launch(*kernel, memory, grid, block, uint32_t(*shared), parameters, options);
  if (!result.good)
    return printError(result.fault), exitKernelFault;
  outs() << formatv("{0} warp instructions, {1} thread instructions\n", result.warpInstructions,
                    result.threadInstructions);
  for (const Argument &argument : arguments)
    if (!argument.file.empty())
      if (Error failed = writeFile(argument.file + ".out",
                                   StringRef(argument.contents.data(), argument.contents.size())))
        return printError(toString(std::move(failed))), exitUsage;
  return exitOk;
}
