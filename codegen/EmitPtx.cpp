//===- EmitPtx.cpp - kernels to PTX text, and to a cubin where ptxas is -------------------------===//

#include "codegen/EmitPtx.h"
#include "codegen/EmitObject.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

static Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

Expected<std::string> heddle::emitPtx(mlir::ModuleOp module, const TargetInfo &target) {
  if (target.kind != TargetKind::Gpu)
    return fault(Twine("PTX for target ") + target.name + ": it is not a GPU");
  return emitCode(module, target, CodeKind::Assembly);
}

std::string heddle::findPtxas() {
  if (ErrorOr<std::string> onPath = sys::findProgramByName("ptxas"))
    return *onPath;
  std::vector<std::string> folders;
  if (std::optional<std::string> home = sys::Process::GetEnv("CUDA_HOME"))
    folders.push_back(*home + "/bin");
  folders.push_back("/usr/local/cuda/bin");
  for (const std::string &folder : folders)
    if (ErrorOr<std::string> there = sys::findProgramByName("ptxas", {StringRef(folder)}))
      return *there;
  return "";
}

static int64_t number(const Regex &pattern, StringRef line, int64_t before) {
  SmallVector<StringRef, 2> found;
  int64_t value = before;
  if (pattern.match(line, &found) && found[1].getAsInteger(10, value))
    return before;
  return value;
}

/// ptxas -v: "Compiling entry function 'f' for ..", then lines with numbers.
static std::vector<PtxUsage> parseUsage(StringRef log) {
  std::vector<PtxUsage> usage;
  Regex entry("Compiling entry function '([^']+)'");
  SmallVector<StringRef, 0> lines;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    SmallVector<StringRef, 2> found;
    if (entry.match(line, &found)) {
      usage.emplace_back();
      usage.back().entry = found[1].str();
    }
    if (usage.empty())
      continue;
    PtxUsage &last = usage.back();
    last.registers = number(Regex("Used ([0-9]+) registers"), line, last.registers);
    last.stack = number(Regex("([0-9]+) bytes stack frame"), line, last.stack);
    last.spillStores = number(Regex("([0-9]+) bytes spill stores"), line, last.spillStores);
    last.spillLoads = number(Regex("([0-9]+) bytes spill loads"), line, last.spillLoads);
    last.shared = number(Regex("([0-9]+) bytes smem"), line, last.shared);
  }
  return usage;
}

static std::string readFile(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : "";
}

Expected<Cubin> heddle::assemblePtx(StringRef ptx, const TargetInfo &target) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    return fault("no ptxas on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin");
  SmallString<64> folder;
  if (std::error_code code = sys::fs::createUniqueDirectory("heddle-ptx", folder))
    return createStringError(code, "no folder for temporary files");
  std::string source = (folder + "/k.ptx").str(), object = (folder + "/k.cubin").str(),
              log = (folder + "/log").str(), message;
  std::error_code code;
  raw_fd_ostream(source, code) << ptx;
  std::string arch = ("-arch=" + target.cpu).str();
  SmallVector<StringRef> arguments = {ptxas, "-v", arch, source, "-o", object};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  int status = sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects, /*SecondsToWait=*/300,
                                   /*MemoryLimit=*/0, &message);
  std::string words = readFile(log);
  Cubin cubin{status ? "" : readFile(object), parseUsage(words)};
  sys::fs::remove_directories(folder);
  if (status)
    return fault("ptxas failed (" + Twine(status) + "): " + message + words);
  return cubin;
}
