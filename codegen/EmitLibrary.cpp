//===- EmitLibrary.cpp - objects to a static and a shared library ------------------------------===//

#include "codegen/EmitLibrary.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

char MissingTool::ID = 0;

static Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

Expected<std::string> heddle::emitArchive(const Library &library) {
  std::vector<NewArchiveMember> members;
  for (const Artifact &object : library.objects)
    members.emplace_back(MemoryBufferRef(object.bytes, object.name));
  Expected<std::unique_ptr<MemoryBuffer>> bytes =
      writeArchiveToBuffer(members, SymtabWritingMode::NormalSymtab, object::Archive::K_GNU,
                           /*Deterministic=*/true, /*Thin=*/false);
  if (!bytes)
    return bytes.takeError();
  return (*bytes)->getBuffer().str();
}

/// GNU ld, which starts faster than lld, or lld by its versions' names, or a compiler driver.
static std::string findLinker(bool &isDriver) {
  isDriver = false;
  for (const char *name : {"ld", "ld.lld-22", "ld.lld"})
    if (ErrorOr<std::string> found = sys::findProgramByName(name))
      return *found;
  isDriver = true;
  for (const char *name : {"cc", "clang-22", "gcc"})
    if (ErrorOr<std::string> found = sys::findProgramByName(name))
      return *found;
  return "";
}

static Error writeTo(const std::string &path, StringRef bytes) {
  std::error_code code;
  raw_fd_ostream file(path, code);
  file << bytes;
  file.close();
  if (code || file.has_error()) {
    std::string words = code ? code.message() : file.error().message();
    file.clear_error();
    return fault("cannot write the temporary file " + path + ": " + words);
  }
  return Error::success();
}

Expected<std::string> heddle::emitShared(const Library &library, StringRef runtime) {
  bool isDriver;
  std::string linker = findLinker(isDriver);
  if (linker.empty())
    return make_error<MissingTool>("no linker for the shared library: install lld or binutils");
  if (!sys::fs::exists(runtime))
    return fault("the runtime library is not at " + runtime);
  SmallString<128> folder;
  if (std::error_code code = sys::fs::createUniqueDirectory("heddle", folder))
    return createStringError(code, "no folder for temporary files");
  scope_exit cleanUp([&] { sys::fs::remove_directories(folder); });
  std::string base = folder.str().str(), out = base + "/lib.so", script = base + "/exports",
              log = base + "/log", name = "lib" + library.name + ".so";
  std::vector<std::string> words{linker, "-shared", "-o", out};
  std::string prefix = isDriver ? "-Wl," : "";
  words.push_back(prefix + "-soname=" + name);
  words.push_back(prefix + "--version-script=" + script);
  words.push_back(prefix + "--build-id=none");
  std::string exports = "{ global: heddle_*;";
  for (const std::string &symbol : library.exports)
    exports += " " + symbol + ";";
  if (Error error = writeTo(script, exports + " local: *; };\n"))
    return std::move(error);
  for (size_t i = 0; i < library.objects.size(); ++i) {
    words.push_back(base + "/" + std::to_string(i) + ".o");
    if (Error error = writeTo(words.back(), library.objects[i].bytes))
      return std::move(error);
  }
  // All of the runtime: a program calls heddle_* that the kernel does not.
  words.push_back(prefix + "--whole-archive");
  words.push_back(runtime.str());
  words.push_back(prefix + "--no-whole-archive");
  std::vector<StringRef> arguments(words.begin(), words.end());
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  std::string message;
  if (int status =
          sys::ExecuteAndWait(linker, arguments, std::nullopt, redirects, 120, 0, &message)) {
    auto said = MemoryBuffer::getFile(log);
    return fault(linker + " failed (" + Twine(status) + "): " + message +
                 (said ? (*said)->getBuffer() : StringRef()));
  }
  auto bytes = MemoryBuffer::getFile(out);
  if (!bytes)
    return fault(linker + " wrote no library");
  return (*bytes)->getBuffer().str();
}
