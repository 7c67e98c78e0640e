//===- Compiling.h - what the commands that compile share --------------------------------------===//

#ifndef HEDDLE_TOOLS_COMPILING_H
#define HEDDLE_TOOLS_COMPILING_H

#include "Input.h"
#include "codegen/Compile.h"
#include "llvm/Support/Error.h"

namespace heddle {

CompileOptions compileOptions(const llvm::opt::InputArgList &args, const Input &input);

/// The path of libheddle_rt.a, beside this tool.
std::string runtimeArchive();

/// One cubin per PTX of the library, by ptxas.
llvm::Error addCubins(const Library &library, std::vector<Artifact> &files);

/// Tells an error; the exit code: exitMissingTool or exitUsage.
int reportFailure(llvm::Error error);

/// Bytes for people: "64 kB".
std::string bytesText(double bytes);

} // namespace heddle

#endif // HEDDLE_TOOLS_COMPILING_H
