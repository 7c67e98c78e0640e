//===- Options.cpp - the command line of one command, parsed -----------------------------------===//

#include "Options.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Option/Option.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llvm::opt;
using namespace heddle;

namespace {
#define OPTTABLE_STR_TABLE_CODE
#include "tools/heddle/Options.inc"
#undef OPTTABLE_STR_TABLE_CODE

#define OPTTABLE_PREFIXES_TABLE_CODE
#include "tools/heddle/Options.inc"
#undef OPTTABLE_PREFIXES_TABLE_CODE

#define OPTTABLE_SUBCOMMAND_IDS_TABLE_CODE
#include "tools/heddle/Options.inc"
#undef OPTTABLE_SUBCOMMAND_IDS_TABLE_CODE

#define OPTTABLE_SUBCOMMANDS_CODE
#include "tools/heddle/Options.inc"
#undef OPTTABLE_SUBCOMMANDS_CODE

constexpr OptTable::Info infoTable[] = {
#define OPTION(...) LLVM_CONSTRUCT_OPT_INFO(__VA_ARGS__),
#include "tools/heddle/Options.inc"
#undef OPTION
};

struct Table : GenericOptTable {
  Table()
      : GenericOptTable(OptionStrTable, OptionPrefixesTable, infoTable, /*IgnoreCase=*/false,
                        OptionSubCommands, OptionSubCommandIDsTable) {}

  bool isOf(const Arg &arg, StringRef command) const {
    const OptTable::Info &info = infoTable[arg.getOption().getID() - 1];
    return isValidForSubCommand(&info, command);
  }
};
} // namespace

void heddle::printError(const Twine &message) { errs() << "heddle: error: " << message << "\n"; }

ArrayRef<StringRef> heddle::commandNames() {
  static const StringRef names[] = {"compile", "run",     "check", "bench", "emulate",
                                    "show",    "explain", "init",  "doctor"};
  return names;
}

void heddle::printOverview() {
  outs() << R"(heddle: compiles attention specs to small libraries for CPU and GPU.

  heddle check specs/softmax/causal.json --size D=64
  heddle run specs/softmax/causal.json --shape H=8,Hkv=8,N=512,M=512
  heddle compile specs/softmax/causal.json --size D=64 -o build/causal

commands:
  compile   spec to library, header, PTX and manifest
  run       run a spec on .npy files or random input and check the results
  check     validate a spec; show variants, tiles, workspace, schedule
  bench     time a spec against the peak of this machine
  emulate   execute a PTX file without a GPU
  show      show steps, masks and tile classes, as text and as SVG
  explain   say what an error code means, and its cure
  init      write a spec to start from
  doctor    say what was found here, and what will be skipped

`heddle COMMAND --help` says more. A spec is a JSON file, or - for standard input.
)";
}

void heddle::printHelp(StringRef command) {
  Table table;
  for (const auto &entry : table.getSubCommands())
    if (command == entry.Name)
      table.printHelp(outs(), entry.Usage, ("heddle " + command).str().c_str(),
                      /*ShowHidden=*/false,
                      /*ShowAllAliases=*/false, Visibility(), command);
}

std::unique_ptr<InputArgList> heddle::parseOptions(StringRef command, ArrayRef<const char *> argv) {
  Table table;
  table.setDashDashParsing(true);
  unsigned missingIndex = 0, missingCount = 0;
  auto args = std::make_unique<InputArgList>(table.ParseArgs(argv, missingIndex, missingCount));
  if (missingCount) {
    printError(Twine("'") + args->getArgString(missingIndex) + "' needs a value");
    return nullptr;
  }
  for (const Arg *arg : args->filtered(OPT_UNKNOWN)) {
    std::string nearest, text = arg->getAsString(*args);
    unsigned distance = table.findNearest(text, nearest);
    printError("unknown option '" + text + "' of '" + command + "'" +
               (distance < 4 ? "; did you mean '" + nearest + "'?" : ""));
    return nullptr;
  }
  for (const Arg *arg : *args)
    if (arg->getOption().getID() != OPT_INPUT && !table.isOf(*arg, command)) {
      printError("'" + command + "' has no option '" + arg->getAsString(*args) + "'");
      return nullptr;
    }
  return args;
}

bool heddle::parsePairs(const InputArgList &args, OptionId id,
                        std::map<std::string, std::string> &pairs) {
  for (const Arg *arg : args.filtered(id)) {
    SmallVector<StringRef> entries;
    StringRef(arg->getValue()).split(entries, ',', -1, /*KeepEmpty=*/false);
    for (StringRef entry : entries) {
      auto [name, value] = entry.split('=');
      if (name.empty() || value.empty()) {
        printError("expected NAME=VALUE in '" + arg->getAsString(args) + "', got '" + entry + "'");
        return false;
      }
      pairs[name.trim().str()] = value.trim().str();
    }
  }
  return true;
}

bool heddle::parseSizes(const InputArgList &args, OptionId id,
                        std::map<std::string, int64_t> &sizes) {
  std::map<std::string, std::string> pairs;
  if (!parsePairs(args, id, pairs))
    return false;
  for (const auto &[name, text] : pairs)
    if (StringRef(text).getAsInteger(10, sizes[name]) || sizes[name] < 0) {
      printError("expected a size of at least 0 for '" + name + "', got '" + text + "'");
      return false;
    }
  return true;
}

std::optional<int64_t> heddle::parseInteger(const InputArgList &args, OptionId id, int64_t fallback,
                                            int64_t least) {
  const Arg *arg = args.getLastArg(id);
  if (!arg)
    return fallback;
  int64_t value;
  if (!StringRef(arg->getValue()).getAsInteger(10, value) && value >= least)
    return value;
  printError("expected a number of at least " + Twine(least) + " in '" + arg->getAsString(args) +
             "'");
  return std::nullopt;
}
