#include "Commands.h"
using namespace heddle;
int heddle::runCheck(const llvm::opt::InputArgList &args) { return exitUsage; }
