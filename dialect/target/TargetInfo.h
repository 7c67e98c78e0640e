//===- TargetInfo.h - what we may know of a machine --------------------------------------------===//
//
// Ask for an ability, never for a model. A new machine of a known kind is one row of
// TargetTable.cpp; the vendor's numbers stand there, our choices in ChooseSchedule.cpp.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_DIALECT_TARGET_TARGETINFO_H
#define HEDDLE_DIALECT_TARGET_TARGETINFO_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace heddle {

enum class TargetKind { Cpu, Gpu };

struct TargetInfo {
  llvm::StringLiteral name;     // as in --target=x86-64-v3
  TargetKind kind;              // read by codegen and the Map passes only
  llvm::StringLiteral triple;   // LLVM's names of the machine
  llvm::StringLiteral cpu;      // -mcpu
  llvm::StringLiteral features; // -mattr
  int32_t cpuLevel;             // the x86-64 level, 1 to 4; 0 on a GPU
  int32_t sm;                   // compute capability times ten; 0 on a CPU
  int32_t lanes;                // f32 of a vector register, or threads of a warp
  int32_t registers;            // vector registers, or registers of a thread
  int32_t scratchBytes;         // L2 cache of a core, or shared memory of a block without opt-in
  bool scaleByPower;            // has x * 2^floor(y) as one instruction
};

/// The row of that name, or null: then targetNames() says what there is.
const TargetInfo *lookupTarget(llvm::StringRef name);

/// All names, CPUs first, oldest first.
llvm::ArrayRef<llvm::StringLiteral> targetNames();

} // namespace heddle

#endif // HEDDLE_DIALECT_TARGET_TARGETINFO_H
