//===- Variants.h - the variants of a compiled spec, described once ----------------------------===//

#ifndef HEDDLE_CODEGEN_VARIANTS_H
#define HEDDLE_CODEGEN_VARIANTS_H

#include "dialect/target/TargetInfo.h"
#include "specs/reader/Spec.h"
#include <cstdint>
#include <string>
#include <vector>

namespace heddle {

/// One launch of a variant.
struct VariantStage {
  std::string grid, item;  // symbols; item: CPU only
  std::string entry;       // CUDA: the kernel in the PTX
  int64_t threads = 0;     // CUDA: of a block
  int64_t sharedBytes = 0; // CUDA: dynamic
};

/// Code for one machine and one range of sizes. The runtime takes the first that fits a call.
struct Variant {
  std::string kind; // "few_queries", "prefill"; "chunked"; "loops" of one step; "steps" of several
  const TargetInfo *target = nullptr;
  int guard = -1;              // the number of a dim of the spec; -1: every call
  int64_t first = 0, last = 0; // its sizes
  std::string wishes;          // of the schedule, over the policy's choice
  // What compilation found:
  std::string schedule;                // as printed
  std::vector<std::string> plain;      // ops that got a plain body, with the reason
  std::string suffix;                  // of its symbols
  std::vector<std::string> workspaces; // symbols, one per function: the largest is needed
  std::vector<VariantStage> stages;
  int64_t scratchBytes = 0;
  std::string ptx;

  std::string name() const { return kind + "." + target->name.str(); }
};

/// The variants of a spec for targets, best first: newer instruction sets before older ones, narrow
/// guards before wide ones. Guards are on sizes of one row only, never on the batch or the heads.
std::vector<Variant> planVariants(const Spec &spec, const std::vector<const TargetInfo *> &targets,
                                  const std::string &schedule);

/// Whether its guard takes calls of these sizes.
bool takes(const Variant &variant, const Spec &spec, const ValueMap &sizes);

/// Of each target the variant that the runtime takes for a call of these sizes.
void keepTaken(std::vector<Variant> &variants, const Spec &spec, const ValueMap &sizes);

} // namespace heddle

#endif // HEDDLE_CODEGEN_VARIANTS_H
