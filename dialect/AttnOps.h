//===- AttnOps.h - all ops of the dialect, surface and tile ------------------------------------===//

#ifndef HEDDLE_DIALECT_ATTNOPS_H
#define HEDDLE_DIALECT_ATTNOPS_H

#include "dialect/AttnDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/AttnInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialect/AttnOps.h.inc"
#define GET_OP_CLASSES
#include "dialect/AttnTileOps.h.inc"

#endif // HEDDLE_DIALECT_ATTNOPS_H
