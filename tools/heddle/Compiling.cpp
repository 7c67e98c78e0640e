//===- Compiling.cpp - what the commands that compile share ------------------------------------===//

#include "Compiling.h"
#include "Kernel.h"
#include "codegen/EmitLibrary.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace heddle;

CompileOptions heddle::compileOptions(const opt::InputArgList &args, const Input &input) {
  CompileOptions options;
  options.targets = input.targets;
  options.schedule = input.schedule;
  options.requireFast = input.requireFast;
  options.canonicalize = !args.hasArg(OPT_no_canonicalize);
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
  return make_error<MissingTool>("no cubins yet");
}
