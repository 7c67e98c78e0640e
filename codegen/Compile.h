//===- Compile.h - a checked spec and targets to the parts of a library ------------------------===//
//
// The C++ API of the compiler: what `heddle` and the tests call.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_COMPILE_H
#define HEDDLE_CODEGEN_COMPILE_H

#include "codegen/Variants.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/ArrayRef.h"

namespace heddle {

struct CompileOptions {
  llvm::SmallVector<const TargetInfo *> targets; // at least one
  std::string schedule;                          // wishes: "query=96,key=64"; for every variant
  bool requireFast = false;                      // a plain body is an error
  bool canonicalize = true;
  bool checkAccesses = false;                  // CPU code with AddressSanitizer's checks
  bool timePasses = false;                     // print the time of each pass to standard error
  const ValueMap *sizes = nullptr;             // only what calls of these sizes take
  std::vector<std::string> *remarks = nullptr; // what compileUntil has to say beside errors
};

/// One file of a library.
struct Artifact {
  std::string name; // "prefill.x86-64-v4.o", "causal.sm_80.ptx"
  std::string bytes;
};

/// A compiled spec, in memory.
struct Library {
  std::string name;
  std::vector<Variant> variants;    // in the order in which a call tries them
  std::vector<Artifact> objects;    // code, then the descriptor; for libNAME.a
  std::vector<Artifact> ptx;        // one per GPU target
  std::string header, manifest;     // NAME.h, NAME.manifest.json
  std::vector<std::string> exports; // NAME_run, ...
};

/// The dialects of every stage, loaded; no threads of its own.
std::unique_ptr<mlir::MLIRContext> createContext();

/// Compiles a spec that checkSupported took. Empty: `error` holds what went wrong, line by line.
std::optional<Library> compileSpec(const Spec &spec, const CompileOptions &options,
                                   std::string &error);

/// Surface ops as text, as `stopAfter` "surface" prints them. What is no MLIR, or does not verify, is told;
/// beyond that the text is trusted as a program is: nobody checks that its reads stay inside its tensors.
struct SurfaceText {
  std::string text, path; // the path is for positions
  std::string name;       // of the library
};
/// Their code for each target: objects and PTX under the names of the functions, no descriptor, header or
/// manifest, which need the names of a spec.
std::optional<Library> compileText(const SurfaceText &surface, const CompileOptions &options,
                                   std::string &error);

/// The IR of a spec for one target after pass `stopAfter` (empty: before MapTo; "surface": as built).
/// Null: `error`.
mlir::OwningOpRef<mlir::ModuleOp> compileUntil(mlir::MLIRContext &context, const Spec &spec,
                                               const TargetInfo &target,
                                               const CompileOptions &options,
                                               llvm::StringRef stopAfter, std::string &error);
mlir::OwningOpRef<mlir::ModuleOp> compileUntil(mlir::MLIRContext &context,
                                               const SurfaceText &surface, const TargetInfo &target,
                                               const CompileOptions &options,
                                               llvm::StringRef stopAfter, std::string &error);

/// Fills in what a mapped module says of a variant: its schedule, and which ops got plain bodies, why.
void recordMapped(mlir::ModuleOp mapped, Variant &variant);

} // namespace heddle

#endif // HEDDLE_CODEGEN_COMPILE_H
