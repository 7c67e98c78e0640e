//===- Pipeline.h - from surface ops to mapped tiles, pass by pass -----------------------------===//

#ifndef HEDDLE_CODEGEN_PIPELINE_H
#define HEDDLE_CODEGEN_PIPELINE_H

#include "dialect/target/TargetInfo.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace heddle {

struct PipelineOptions {
  const TargetInfo *target; // never null
  std::string schedule;     // wishes: "query=96,key=64"
  std::string stopAfter;    // the last pass to run, as in "peel-tiles"; empty: all
  bool canonicalize = true; // clean up between stages; the pipeline must work without
  bool map = true;          // the last stage, MapToCpu or MapToGpu
  bool explain = false;     // remarks: which term of a mask makes tiles boundary ones
};

/// The passes a module of functions goes through, in order. Only the last stage asks for the kind of the
/// target. `options.stopAfter` must be one of passNames().
void buildPipeline(mlir::OpPassManager &module, const PipelineOptions &options);

/// The names that stopAfter takes, in the order of the pipeline for `target`.
llvm::SmallVector<llvm::StringRef> passNames(const TargetInfo &target);

} // namespace heddle

#endif // HEDDLE_CODEGEN_PIPELINE_H
