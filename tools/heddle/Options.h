//===- Options.h - the command line of one command, parsed -------------------------------------===//

#ifndef HEDDLE_TOOLS_OPTIONS_H
#define HEDDLE_TOOLS_OPTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Option/ArgList.h"
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace heddle {

/// Exit codes of the tool (README.md lists them).
enum ExitCode : int {
  exitOk = 0,
  exitSpec = 1,
  exitUsage = 2,
  exitMismatch = 3,
  exitMissingTool = 4,
  exitKernelFault = 5,
  exitInternal = 70,
};

enum OptionId {
  OPT_INVALID = 0,
#define OPTION(...) LLVM_MAKE_OPT_ID(__VA_ARGS__),
#include "tools/heddle/Options.inc"
#undef OPTION
};

/// Prints `heddle: error: MESSAGE` to standard error.
void printError(const llvm::Twine &message);

/// The arguments of `command` (those behind its name), checked: no unknown option (the nearest one is
/// offered), no option of another command, no missing value. Null: told, exit with exitUsage.
std::unique_ptr<llvm::opt::InputArgList> parseOptions(llvm::StringRef command,
                                                      llvm::ArrayRef<const char *> args);

/// The help of one command, at most a screen.
void printHelp(llvm::StringRef command);
/// What bare `heddle` prints.
void printOverview();
/// The names of the commands.
llvm::ArrayRef<llvm::StringRef> commandNames();

/// `NAME=INTEGER` pairs of an option given any number of times, by comma or apart. False: told.
bool parseSizes(const llvm::opt::InputArgList &args, OptionId id,
                std::map<std::string, int64_t> &sizes);
/// The same with the value as text.
bool parsePairs(const llvm::opt::InputArgList &args, OptionId id,
                std::map<std::string, std::string> &pairs);
/// An integer of at least `least`; `fallback` if the option is absent. Empty: told.
std::optional<int64_t> parseInteger(const llvm::opt::InputArgList &args, OptionId id,
                                    int64_t fallback, int64_t least);

} // namespace heddle

#endif // HEDDLE_TOOLS_OPTIONS_H
