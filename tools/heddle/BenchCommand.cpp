#include "Commands.h"
using namespace heddle;
int heddle::runBench(const llvm::opt::InputArgList &args) { return exitUsage; }
