//===- CompileCommand.cpp - heddle compile: spec to library, header, PTX and manifest ----------===//
//
// Or surface ops as text to objects and PTX.
//
//===----------------------------------------------------------------------------------------===//

#include "Commands.h"
#include "Compiling.h"
#include "Files.h"
#include "Input.h"
#include "codegen/EmitLibrary.h"
#include "codegen/EmitObject.h"
#include "codegen/Pipeline.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <set>

using namespace llvm;
using namespace heddle;

namespace {
using Kinds = std::set<std::string>;

constexpr StringLiteral kindNames = "lib, header, manifest, obj, ptx, cubin, mlir-after-PASS";

/// The pass of mlir-after-PASS or --stop-after, checked; "surface" is the IR as built.
bool checkPass(StringRef pass, const TargetInfo &target) {
  SmallVector<StringRef> names = passNames(target);
  if (pass == "surface" || is_contained(names, pass))
    return true;
  std::vector<std::string> all{"surface"};
  for (StringRef name : names)
    all.push_back(name.str());
  std::string nearest = nearestName(pass.str(), all);
  printError(
      "unknown pass '" + pass + "'" +
      (nearest.empty() ? "; there are " + join(all, ", ") : "; did you mean '" + nearest + "'?"));
  return false;
}

std::optional<Kinds> parseKinds(const opt::InputArgList &args, const Input &input,
                                StringRef byDefault) {
  SmallVector<StringRef> names;
  StringRef(args.getLastArgValue(OPT_emit, byDefault)).split(names, ',', -1, false);
  Kinds kinds;
  for (StringRef name : names) {
    bool after = name.starts_with("mlir-after-");
    bool known = is_contained({"lib", "header", "manifest", "obj", "ptx", "cubin"}, name);
    if (!after && !known) {
      printError("unknown kind '" + name + "' in --emit; there are " + kindNames);
      return std::nullopt;
    }
    if (after && !checkPass(name.drop_front(11), *input.targets.front()))
      return std::nullopt;
    kinds.insert(name.str());
  }
  return kinds;
}

/// Prints the IR of the first target after a pass; `source`: a spec or text.
template <typename Source>
int printUntil(const opt::InputArgList &args, const Input &input, const Source &source,
               StringRef pass) {
  std::unique_ptr<mlir::MLIRContext> context = createContext();
  std::string error, text;
  auto module = compileUntil(*context, source, *input.targets.front(), compileOptions(args, input),
                             pass, error);
  errs() << error;
  if (!module)
    return exitSpec;
  raw_string_ostream os(text);
  module->print(os);
  os << "\n";
  std::string out = args.getLastArgValue(OPT_o, "-").str();
  if (out != "-")
    out += "/" + source.name + ".mlir";
  if (Error failed = writeFile(out, text)) {
    printError(toString(std::move(failed)));
    return exitUsage;
  }
  return exitOk;
}

/// Files of a library, in memory until all are there: nothing is written if one cannot be made.
Expected<std::vector<Artifact>> collect(const Library &library, const Kinds &kinds) {
  std::vector<Artifact> files;
  for (const char *kind : {"lib", "header", "manifest"})
    if (kinds.count(kind) && library.exports.empty())
      return createStringError(inconvertibleErrorCode(), Twine("a ") + kind +
                                                             " needs a spec: surface ops do not "
                                                             "name their tensors");
  if (kinds.count("header"))
    files.push_back({library.name + ".h", library.header});
  if (kinds.count("lib")) {
    Expected<std::string> archive = emitArchive(library);
    if (!archive)
      return archive.takeError();
    files.push_back({"lib" + library.name + ".a", std::move(*archive)});
    Expected<std::string> shared = emitShared(library, runtimeArchive());
    if (!shared)
      return shared.takeError();
    files.push_back({"lib" + library.name + ".so", std::move(*shared)});
  }
  if (kinds.count("obj"))
    for (const Artifact &object : library.objects)
      files.push_back(
          {object.name == library.name + ".o" ? object.name : library.name + "." + object.name,
           object.bytes});
  if (kinds.count("ptx"))
    for (const Artifact &ptx : library.ptx)
      files.push_back(ptx);
  if (kinds.count("cubin"))
    if (Error error = addCubins(library, files))
      return std::move(error);
  if (kinds.count("manifest"))
    files.push_back({library.name + ".manifest.json", library.manifest});
  return files;
}

int write(const std::vector<Artifact> &files, StringRef folder) {
  if (folder == "-") {
    if (files.size() != 1) {
      printError("-o - writes one file, not " + Twine(files.size()) + "; choose one by --emit");
      return exitUsage;
    }
    outs() << files.front().bytes;
    return exitOk;
  }
  if (std::error_code code = sys::fs::create_directories(folder)) {
    printError("cannot make the folder " + folder + ": " + code.message());
    return exitUsage;
  }
  for (const Artifact &file : files) {
    std::string path = (folder + "/" + file.name).str();
    if (Error error = writeFile(path, file.bytes)) {
      printError(toString(std::move(error)));
      return exitUsage;
    }
    outs() << path << "  " << file.bytes.size() << " bytes\n";
  }
  return exitOk;
}
/// What is asked for, made of a spec or of text by `compile`; `kindsByDefault`: without --emit.
template <typename Source, typename Compile>
int make(const opt::InputArgList &args, const Input &input, const Source &source, Compile compile,
         StringRef kindsByDefault) {
  if (const opt::Arg *stop = args.getLastArg(OPT_stop_after))
    return checkPass(stop->getValue(), *input.targets.front())
               ? printUntil(args, input, source, stop->getValue())
               : int(exitUsage);
  std::optional<Kinds> kinds = parseKinds(args, input, kindsByDefault);
  if (!kinds)
    return exitUsage;
  for (const std::string &kind : *kinds)
    if (StringRef(kind).starts_with("mlir-after-"))
      return printUntil(args, input, source, StringRef(kind).drop_front(11));
  std::string error;
  std::optional<Library> library = compile(source, compileOptions(args, input), error);
  errs() << error;
  if (!library)
    return exitSpec;
  Expected<std::vector<Artifact>> files = collect(*library, *kinds);
  if (!files)
    return reportFailure(files.takeError());
  return write(*files, args.getLastArgValue(OPT_o, "."));
}

/// Surface ops as text.
int compileSurface(const opt::InputArgList &args, StringRef path) {
  for (const opt::Arg *arg : args.filtered(OPT_size, OPT_param, OPT_require)) {
    printError(arg->getSpelling().rtrim('=') +
               " needs a spec: surface ops name no sizes and no params");
    return exitUsage;
  }
  Input input;
  input.schedule = args.getLastArgValue(OPT_schedule).str();
  if (!parseTargets(args, input))
    return exitUsage;
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer) {
    printError("cannot read " + path + ": " + buffer.getError().message());
    return exitUsage;
  }
  SurfaceText surface{(*buffer)->getBuffer().str(), path.str(), sys::path::stem(path).str()};
  return make(args, input, surface, compileText, "obj,ptx");
}
} // namespace

int heddle::runCompile(const opt::InputArgList &args) {
  std::optional<StringRef> path = specPath(args);
  if (path && path->ends_with(".mlir"))
    return compileSurface(args, *path);
  int code;
  std::optional<Input> input = path ? readInput(args, /*shapeFixes=*/false, code) : std::nullopt;
  if (!input)
    return path ? code : int(exitUsage);
  return make(args, *input, input->spec, compileSpec, "lib,header,manifest,ptx");
}
