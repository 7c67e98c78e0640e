//===- main.cpp - heddle: one command of several -----------------------------------------------===//

#include "Commands.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

/// The nearest command, if there is a near one.
static std::string suggestion(StringRef word) {
  unsigned best = 4;
  std::string text;
  for (StringRef name : commandNames())
    if (unsigned distance = word.edit_distance(name); distance < best) {
      best = distance;
      text = ("; did you mean '" + name + "'?").str();
    }
  return text;
}

int main(int argc, char **argv) {
  if (argc < 2 || StringRef(argv[1]) == "--help" || StringRef(argv[1]) == "-h") {
    printOverview();
    return exitOk;
  }
  StringRef command = argv[1];
  if (command == "--version") {
    outs() << "heddle " << HEDDLE_VERSION << " (LLVM " << LLVM_VERSION_STRING << ")\n";
    return exitOk;
  }
  auto run = StringSwitch<int (*)(const opt::InputArgList &)>(command)
                 .Case("compile", runCompile)
                 .Case("run", runRun)
                 .Case("check", runCheck)
                 .Case("bench", runBench)
                 .Case("emulate", runEmulate)
                 .Case("show", runShow)
                 .Case("explain", runExplain)
                 .Case("init", runInit)
                 .Case("doctor", runDoctor)
                 .Default(nullptr);
  if (!run) {
    printError("unknown command '" + command + "'" + suggestion(command));
    return exitUsage;
  }
  std::unique_ptr<opt::InputArgList> args = parseOptions(command, ArrayRef(argv + 2, argv + argc));
  if (!args)
    return exitUsage;
  if (args->hasArg(OPT_help)) {
    printHelp(command);
    return exitOk;
  }
  int code = run(*args);
  outs().flush();
  if (outs().has_error()) {
    printError("cannot write to standard output: " + outs().error().message());
    outs().clear_error();
    return exitUsage;
  }
  return code;
}
