//===- EmitLibrary.h - objects to a static and a shared library --------------------------------===//

#ifndef HEDDLE_CODEGEN_EMITLIBRARY_H
#define HEDDLE_CODEGEN_EMITLIBRARY_H

#include "codegen/Compile.h"
#include "llvm/Support/Error.h"

namespace heddle {

/// libNAME.a: the objects, without dates and owners: the same bytes for the same objects.
llvm::Expected<std::string> emitArchive(const Library &library);

/// libNAME.so: the objects and the runtime (`runtime`: the path of libheddle_rt.a), exporting the
/// library's functions and heddle_*. Runs a linker of its own process: ld.lld, else cc.
llvm::Expected<std::string> emitShared(const Library &library, llvm::StringRef runtime);

/// No linker was found, or another program that is needed.
class MissingTool : public llvm::ErrorInfo<MissingTool> {
public:
  static char ID;
  explicit MissingTool(std::string message) : message(std::move(message)) {}
  void log(llvm::raw_ostream &os) const override { os << message; }
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }

private:
  std::string message;
};

} // namespace heddle

#endif // HEDDLE_CODEGEN_EMITLIBRARY_H
