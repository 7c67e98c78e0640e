//===- Input.h - the spec that a command line names, read and checked --------------------------===//

#ifndef HEDDLE_TOOLS_INPUT_H
#define HEDDLE_TOOLS_INPUT_H

#include "Options.h"
#include "dialect/target/TargetInfo.h"
#include "specs/reader/Spec.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace heddle {

/// What compile, run, check and bench have in common.
struct Input {
  Spec spec;
  std::map<std::string, int64_t> shape;          // --shape, over the spec's example
  llvm::SmallVector<const TargetInfo *> targets; // in the order given
  std::string schedule;                          // --schedule
  bool requireFast = false;
};

/// Reads the spec named by the one positional argument without '=' (`-`: standard input). Sizes of
/// --size are compiled in, and, where `shapeFixes`, those of --shape and of the example for the dims of
/// depth and value width. On a fault everything has been told and `code` is the exit code.
/// `moreSizes`, if given, may add to the shape what else is known of it, of files; false: told, exitUsage.
using MoreSizes = llvm::function_ref<bool(const Spec &, std::map<std::string, int64_t> &shape)>;
std::optional<Input> readInput(const llvm::opt::InputArgList &args, bool shapeFixes, int &code,
                               MoreSizes moreSizes = nullptr);

/// The name of the one spec file; the other positionals are NAME=FILE. Empty: told.
std::optional<llvm::StringRef> specPath(const llvm::opt::InputArgList &args);

/// Those of --target. False: told.
bool parseTargets(const llvm::opt::InputArgList &args, Input &input);

} // namespace heddle

#endif // HEDDLE_TOOLS_INPUT_H
