//===- DoctorCommand.cpp - heddle doctor: what was found, and what will be skipped --------------===//

#include "Commands.h"
#include "Kernel.h"
#include "codegen/EmitPtx.h"
#include "dialect/target/TargetInfo.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include <dlfcn.h>

using namespace llvm;
using namespace heddle;

namespace {
class Doctor {
public:
  /// One line: found or not, and what that means. What is needed and missing makes the exit code 4.
  void say(StringRef what, StringRef found, StringRef without, bool needed = false) {
    bool there = !found.empty();
    outs() << formatv("{0} {1,-10} {2}\n",
                      there    ? "ok  "
                      : needed ? "MISS"
                               : "skip",
                      what, there ? found : without);
    missing |= needed && !there;
  }
  bool missing = false;
};

std::string programAt(std::initializer_list<const char *> names) {
  for (const char *name : names)
    if (ErrorOr<std::string> found = sys::findProgramByName(name))
      return *found;
  return "";
}

std::string fileAt(const std::string &path) { return sys::fs::exists(path) ? path : ""; }

std::string driver() {
  const char *path = getenv("HEDDLE_LIBCUDA");
  std::string name = path && *path ? path : "libcuda.so.1";
  void *handle = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle)
    return "";
  dlclose(handle);
  return name;
}
} // namespace

int heddle::runDoctor(const opt::InputArgList &args) {
  if (args.hasArg(OPT_INPUT)) {
    printError("doctor takes no arguments");
    return exitUsage;
  }
  Doctor doctor;
  StringMap<bool> features = sys::getHostCPUFeatures();
  bool v3 = features["avx2"] && features["fma"] && features["f16c"];
  bool v4 = v3 && features["avx512f"] && features["avx512vl"] && features["avx512dq"] &&
            features["avx512bw"];
  doctor.say("cpu",
             v4   ? "x86-64-v4 (AVX-512): runs code for v3 and v4"
             : v3 ? "x86-64-v3 (AVX2): runs code for v3; v4 compiles, but does not run here"
                  : "",
             "older than x86-64-v3: nothing that is compiled for a CPU runs here", true);
  std::string libraries = libraryFolder();
  doctor.say("runtime", fileAt(libraries + "/libheddle_rt.a"),
             "libheddle_rt.a is not beside bin/: no library can be linked; install again", true);
  doctor.say("linker", programAt({"ld", "ld.lld-22", "ld.lld", "cc", "clang-22", "gcc"}),
             "no shared library can be made; install lld or binutils", true);
  doctor.say("emulator", fileAt(libraries + "/libheddle_cuda_emulator.so"),
             "`--device=emulator` does not run; install again", true);
  doctor.say("ptxas", findPtxas(),
             "no cubin, and tests do not assemble PTX; it comes with the CUDA toolkit");
  doctor.say("driver", driver(), "no GPU driver: `--device=cuda` does not run");
  doctor.say("qemu", programAt({"qemu-x86_64", "qemu-x86_64-static"}),
             "the test on an old processor is skipped; it comes with qemu-user");
  doctor.say("numpy", fileAt("/usr/lib/python3/dist-packages/numpy"),
             "tests against the oracle do not run; it is Debian's python3-numpy");
  outs() << "targets   ";
  for (StringRef name : targetNames())
    outs() << " " << name;
  outs() << "\n";
  return doctor.missing ? exitMissingTool : exitOk;
}
