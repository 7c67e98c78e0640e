//===- Commands.h - the commands, one file each; each returns an exit code ---------------------===//

#ifndef HEDDLE_TOOLS_COMMANDS_H
#define HEDDLE_TOOLS_COMMANDS_H

#include "Options.h"

namespace heddle {

int runCompile(const llvm::opt::InputArgList &args);
int runRun(const llvm::opt::InputArgList &args);
int runCheck(const llvm::opt::InputArgList &args);
int runBench(const llvm::opt::InputArgList &args);
int runEmulate(const llvm::opt::InputArgList &args);
int runShow(const llvm::opt::InputArgList &args);
int runExplain(const llvm::opt::InputArgList &args);
int runInit(const llvm::opt::InputArgList &args);
int runDoctor(const llvm::opt::InputArgList &args);

} // namespace heddle

#endif // HEDDLE_TOOLS_COMMANDS_H
