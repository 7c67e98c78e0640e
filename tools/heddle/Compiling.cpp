//===- Compiling.cpp - what the commands that compile share ------------------------------------===//

#include "Compiling.h"
#include "Kernel.h"
#include "codegen/EmitLibrary.h"
#include "codegen/EmitPtx.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace heddle;

CompileOptions heddle::compileOptions(const opt::InputArgList &args, const Input &input) {
  CompileOptions options;
  options.targets = input.targets;
  options.schedule = input.schedule;
  options.requireFast = input.requireFast;
  options.canonicalize = !args.hasArg(OPT_no_canonicalize);
  options.checkAccesses = args.hasArg(OPT_sanitize_address);
  options.timePasses = args.hasArg(OPT_time_passes);
  return options;
}

std::string heddle::runtimeArchive() { return libraryFolder() + "/libheddle_rt.a"; }

int heddle::reportFailure(Error error) {
  int code = exitUsage;
  if (error.isA<MissingTool>())
    code = exitMissingTool;
  printError(toString(std::move(error)));
  return code;
}

std::string heddle::bytesText(double bytes) {
  if (bytes < 10e3)
    return formatv("{0} B", int64_t(bytes));
  if (bytes < 10e6)
    return formatv("{0:F1} kB", bytes / 1e3);
  return formatv("{0:F1} MB", bytes / 1e6);
}

Error heddle::addCubins(const Library &library, std::vector<Artifact> &files) {
  if (library.ptx.empty())
    return createStringError(inconvertibleErrorCode(),
                             "a cubin needs a GPU among the targets, such as sm_80");
  if (findPtxas().empty())
    return make_error<MissingTool>(
        "a cubin needs ptxas, which is not on PATH, in $CUDA_HOME/bin or in "
        "/usr/local/cuda/bin: install the CUDA toolkit, or ship the PTX as it is");
  for (const Variant &variant : library.variants) {
    if (variant.ptx.empty())
      continue;
    Expected<Cubin> cubin = assemblePtx(variant.ptx, *variant.target);
    if (!cubin)
      return cubin.takeError();
    files.push_back(
        {library.name + "." + variant.target->name.str() + ".cubin", std::move(cubin->bytes)});
  }
  return Error::success();
}
