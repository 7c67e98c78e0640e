//===- EmulateCommand.cpp - heddle emulate: a PTX file executed without a GPU -------------------===//

#include "Commands.h"

using namespace llvm;
using namespace heddle;

int heddle::runEmulate(const opt::InputArgList &args) {
  printError("not built in yet");
  return exitUsage;
}
