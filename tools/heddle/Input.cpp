//===- Input.cpp - the spec that a command line names, read and checked ------------------------===//

#include "Input.h"
#include "dialect/CheckSupported.h"
#include "dialect/FuseSteps.h"
#include "dialect/SplitClasses.h"
#include "dialect/SplitSources.h"
#include "specs/reader/SpecReader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;
using namespace heddle;

std::optional<StringRef> heddle::specPath(const opt::InputArgList &args) {
  std::optional<StringRef> path;
  for (const opt::Arg *arg : args.filtered(OPT_INPUT)) {
    StringRef value = arg->getValue();
    if (value.contains('='))
      continue;
    if (path) {
      printError("expected one spec, got '" + *path + "' and '" + value + "'");
      return std::nullopt;
    }
    path = value;
  }
  if (!path)
    printError("expected a spec: a JSON file, or - for standard input");
  return path;
}

/// What this machine is, among the targets.
static const TargetInfo *hostTarget() {
  StringMap<bool> features = sys::getHostCPUFeatures();
  bool v4 = features.lookup("avx512f") && features.lookup("avx512bw") &&
            features.lookup("avx512cd") && features.lookup("avx512dq") &&
            features.lookup("avx512vl");
  return lookupTarget(v4 ? "x86-64-v4" : "x86-64-v3");
}

bool heddle::parseTargets(const opt::InputArgList &args, Input &input) {
  SmallVector<StringRef> names;
  StringRef(args.getLastArgValue(OPT_target, "host")).split(names, ',', -1, /*KeepEmpty=*/false);
  for (StringRef name : names) {
    if (name == "portable") {
      input.targets.push_back(lookupTarget("x86-64-v3"));
      input.targets.push_back(lookupTarget("x86-64-v4"));
      continue;
    }
    const TargetInfo *target = name == "host" ? hostTarget() : lookupTarget(name);
    if (!target) {
      printError("unknown target '" + name + "'; there are host, portable, " +
                 join(targetNames(), ", "));
      return false;
    }
    input.targets.push_back(target);
  }
  if (input.targets.empty())
    printError("expected a target");
  return !input.targets.empty();
}

static bool parseCommon(const opt::InputArgList &args, Input &input, ReadOptions &options) {
  if (!parseSizes(args, OPT_size, options.sizes) || !parseSizes(args, OPT_shape, input.shape) ||
      !parsePairs(args, OPT_param, options.params) || !parseTargets(args, input))
    return false;
  input.schedule = args.getLastArgValue(OPT_schedule).str();
  if (const opt::Arg *arg = args.getLastArg(OPT_require)) {
    input.requireFast = StringRef(arg->getValue()) == "fast";
    if (!input.requireFast)
      printError(Twine("expected --require=fast, got '") + arg->getValue() + "'");
    return input.requireFast;
  }
  return true;
}

/// The names of the "any" dims that d and e run over: they are compiled in.
static void fixDepth(const Spec &spec, const std::map<std::string, int64_t> &shape,
                     ReadOptions &options) {
  std::function<void(const ExprRef &)> fixDims = [&](const ExprRef &size) {
    walk(size, [&](const Expr &node) {
      const SpecDim *found = node.kind == ExprKind::Dim ? spec.findDim(node.name) : nullptr;
      if (!found || found->isCompileTime() || options.sizes.count(node.name))
        return;
      if (found->expr)
        fixDims(found->expr);
      else if (auto given = shape.find(node.name); given != shape.end())
        options.sizes[node.name] = given->second;
      else if (auto example = spec.example.find(node.name); example != spec.example.end())
        options.sizes[node.name] = example->second;
    });
  };
  auto fix = [&](const std::optional<IndexRange> &range) {
    if (range)
      fixDims(range->extent.size);
  };
  for (const SpecStep &step : spec.steps) {
    if (const AttendStep *attend = step.getIf<AttendStep>()) {
      fix(attend->column);
      for (const AttendSource &source : attend->sources)
        fix(source.depth);
    }
    if (const RecurStep *recur = step.getIf<RecurStep>()) {
      fix(recur->depth);
      fix(recur->column);
    }
  }
}

/// --shape names "any" dims, or repeats a fixed one.
static bool checkShape(const Input &input) {
  for (const auto &[name, size] : input.shape) {
    const SpecDim *dim = input.spec.findDim(name);
    if (!dim) {
      std::vector<std::string> names;
      for (const SpecDim &known : input.spec.dims)
        names.push_back(known.name);
      std::string nearest = nearestName(name, names);
      printError("--shape: the spec has no dim '" + Twine(name) + "'" +
                 (nearest.empty() ? "; there are " + joinNames(names)
                                  : "; did you mean '" + nearest + "'?"));
      return false;
    }
    if (dim->isCompileTime() && dim->size != size) {
      printError("--shape: '" + Twine(name) + "' is " + Twine(dim->size) + " in the spec, not " +
                 Twine(size));
      return false;
    }
  }
  return true;
}

std::optional<Input> heddle::readInput(const opt::InputArgList &args, bool shapeFixes, int &code,
                                       MoreSizes moreSizes) {
  code = exitUsage;
  Input input;
  ReadOptions options;
  std::optional<StringRef> path = specPath(args);
  if (!path || !parseCommon(args, input, options))
    return std::nullopt;
  auto buffer =
      MemoryBuffer::getFileOrSTDIN(*path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    printError("cannot read " + *path + ": " + buffer.getError().message());
    return std::nullopt;
  }
  std::string text = (*buffer)->getBuffer().str(), name = *path == "-" ? "<stdin>" : path->str();
  code = exitSpec;
  Diagnostics diagnostics;
  std::optional<Spec> spec = readSpec(text, name, options, diagnostics);
  if (spec && moreSizes && !moreSizes(*spec, input.shape)) {
    code = exitUsage;
    return std::nullopt;
  }
  if (spec && shapeFixes) {
    ReadOptions fixed = options;
    fixDepth(*spec, input.shape, fixed);
    if (fixed.sizes != options.sizes) {
      diagnostics = Diagnostics();
      spec = readSpec(text, name, fixed, diagnostics);
    }
  }
  bool good = spec && checkSupported(*spec, diagnostics);
  errs() << diagnostics.print();
  if (!good)
    return std::nullopt;
  input.spec = std::move(*spec);
  splitSources(input.spec);
  splitClasses(input.spec);
  fuseSteps(input.spec);
  code = exitUsage;
  if (!checkShape(input))
    return std::nullopt;
  code = exitOk;
  return input;
}
